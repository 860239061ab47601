"""Orders as the operator leafs through them; for everything else see services/jobs.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, literal_column, select

from db import Query, Reader, scalar, statement
from db.models import ERROR_CODE, Job
from db.rows import ListedJob
from errors import ApiError
from services import paging


class Filters(TypedDict, total=False):
    """What the list is narrowed to; None is no filter. worker: what it has in hand."""

    status: str | None
    service_type: str | None
    error_code: str | None
    worker: str | None
    since: datetime | None
    until: datetime | None


def newest(
    reader: Reader, *, limit: int, cursor: str | None = None, **filters: Unpack[Filters]
) -> paging.Page[ListedJob]:
    """The newest jobs of all users. ApiError `bad_request` for a cursor that no page gave out."""
    return _NEWEST.page(reader, limit=limit, cursor=cursor, **filters)


def find(reader: Reader, job_id: UUID) -> ListedJob:
    """One line of the list. ApiError `job_not_found`."""
    job = _find.one_or_none(reader, job_id)
    if job is None:
        raise ApiError("job_not_found")
    return job


def with_result(reader: Reader, data_id: UUID) -> UUID | None:
    """The order that a file is the first result of; None when it is the result of none."""
    return _with_result(reader, data_id)


_ERROR_CODE: ColumnElement[str] = literal_column(f"jobs.{ERROR_CODE[1:-1]}", Text)
_LINES: Select[*tuple[Any, ...]] = select(*Job.columns(ListedJob), _ERROR_CODE.label("error_code"))
_NEWEST = paging.Filtered(
    ListedJob,
    _LINES,
    {Job.created_at: paging.moment, Job.number: paging.number},
    status=Job.status == bindparam("status", type_=Text),
    service_type=Job.service_type == bindparam("service_type", type_=Text),
    error_code=and_(
        Job.status == literal_column("'failed'"),
        bindparam("error_code", type_=Text) == _ERROR_CODE,
    ),
    worker=Job.worker == bindparam("worker", type_=Text),
    **paging.period(Job.created_at),
)


@statement(ListedJob)
def _find(job_id: UUID) -> Query:
    return _LINES.where(Job.id == job_id)


@scalar
def _with_result(data_id: UUID) -> Select[UUID]:
    return select(Job.id).where(Job.result_data_id == data_id)
