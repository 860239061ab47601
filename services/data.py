"""Files that people send and that jobs produce: rows of `data`; the bytes are in the storage."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    ScalarSelect,
    Text,
    UpdateBase,
    Uuid,
    any_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal_column,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement, write
from db.models import LIVE_STATUSES, Data, Job
from db.rows import DataRow
from errors import ApiError

PENDING_TTL_HOURS = 24  # an upload that nobody confirmed
AT_ONCE = 100  # files marked, or purged, in one transaction


def new_key(data_type: str, content_type: str) -> str:
    """A new storage key; no part of it comes from a client."""
    return f"{data_type}/{uuid4()}.{content_type.rpartition('/')[2]}"


def reserve(
    session: Session,
    data_type: str,
    *,
    content_type: str,
    now: datetime,
    storage_key: str | None = None,
    purpose: str = "unused",
) -> DataRow:
    """A row for a file that is about to be stored; swept if nobody confirms it.

    purpose: `result` for one that we made; `unused` until an order uses it (see db.models.Data).
    """
    key = storage_key or new_key(data_type, content_type)
    row = DataRow(
        id=uuid4(),
        type=data_type,
        status="pending",
        storage_key=key,
        content_type=content_type,
        size_bytes=None,
        width=None,
        height=None,
        faces=None,
        created_at=now,
    )
    _reserve(session, row.id, data_type, key, content_type, now, purpose)
    return row


def get(reader: Reader, data_id: UUID) -> DataRow:
    """ApiError `data_not_found`, also for a deleted file."""
    row = _one.one_or_none(reader, data_id)
    if row is None or row.status == "deleted":
        raise ApiError("data_not_found", details={"dataId": str(data_id)})
    return row


def confirm(
    session: Session,
    data_id: UUID,
    *,
    content_type: str,
    size_bytes: int,
    pixels: tuple[int, int] | None = None,
    now: datetime,
) -> DataRow:
    """Make an uploaded file usable; a repeat changes nothing. ApiError `data_not_found`.

    pixels: width and height of a photo, if its header says so.
    """
    width, height = pixels or (None, None)
    confirmed = _confirm.one_or_none(session, data_id, content_type, size_bytes, width, height, now)
    return confirmed or get(session, data_id)


def note_faces(session: Session, data_id: UUID, faces: int) -> DataRow:
    """Keep how many faces a photo shows. ApiError `data_not_found` if it is gone meanwhile."""
    _note_faces(session, data_id, faces)
    return get(session, data_id)


def of_ids(reader: Reader, data_ids: list[UUID]) -> dict[UUID, DataRow]:
    """The files with these ids; those that are not known are left out."""
    return {file.id: file for file in _of_ids.all(reader, data_ids)} if data_ids else {}


def ids_of(items: list[dict[str, Any]]) -> list[UUID]:
    """The files among the inputs of a job."""
    return [UUID(item["dataId"]) for item in items if "dataId" in item]


def require_usable(items: list[dict[str, Any]], found: dict[str, list[str]] | None) -> None:
    """Check that every item can be a job's input; `found` is what found() selects for ids_of().

    What is behind a `url` is seen only by the worker. ApiError `data_not_found`,
    `data_not_confirmed`, `data_not_usable` (not an image, or not sent as one).
    """
    if any(item.get("type", "image") != "image" for item in items):
        raise ApiError("data_not_usable", details={"input": "must be of type image"})
    for data_id in map(str, ids_of(items)):
        status, kind = (found or {}).get(data_id, ("deleted", ""))
        details = {"dataId": data_id}
        if status == "deleted":
            raise ApiError("data_not_found", details=details)
        if status != "confirmed":
            raise ApiError("data_not_confirmed", details=details)
        if kind != "image":
            raise ApiError("data_not_usable", details=details)


def found(data_ids: list[UUID]) -> ScalarSelect[dict[str, list[str]] | None]:
    """Status and type of files by id, for the statement of an order: from then until the end of
    its transaction nobody can delete them.
    """
    kept = (
        select(Data.id, Data.status, Data.type)
        .where(Data.id == any_(type_coerce(data_ids, ARRAY(Uuid))))
        .with_for_update(read=True, key_share=True)
        .subquery("kept")
    )
    return select(
        func.jsonb_object_agg(
            cast(kept.c.id, Text), func.jsonb_build_array(kept.c.status, kept.c.type)
        )
    ).scalar_subquery()


def expire(session: Session, *, now: datetime, limit: int = AT_ONCE) -> None:
    """Mark expired files as deleted; purgeable() then lists them until purged().

    Abandoned uploads go after PENDING_TTL_HOURS; the rest after the time of their purpose, if that
    has one, but never while a live job needs them.
    """
    long_ago = now - timedelta(hours=PENDING_TTL_HOURS)
    old = _older(session, Data.status == "pending", long_ago, limit)
    for purpose, hours in lifetimes().items():
        if hours:
            of_purpose = (Data.status == "confirmed") & (Data.purpose == purpose)
            old += _older(session, of_purpose, now - timedelta(hours=hours), limit)
    # Checked again now that they are locked: an order may have come between query and lock.
    session.execute(update(Data).where(Data.id.in_(old), ~_needed()).values(status="deleted"))


def delete_of(session: Session, data_ids: Collection[UUID]) -> None:
    """Mark these files as deleted, whoever may need them."""
    session.execute(
        update(Data).where(Data.id.in_(data_ids)).values(status="deleted"),
        execution_options={"synchronize_session": False},
    )


def purgeable(
    session: Session, *, among: Collection[UUID] | None = None, limit: int = AT_ONCE
) -> list[tuple[UUID, str]]:
    """Deleted files whose bytes are still stored: (id, storage key); of these only, if given."""
    query = (
        select(Data.id, Data.storage_key)
        .where(Data.status == "deleted", Data.deleted_at.is_(None))
        .order_by(Data.id)  # without it the planner scans the table when nothing matches
        .limit(limit)
    )
    if among is not None:
        query = query.where(Data.id.in_(among))
    return [(row.id, row.storage_key) for row in session.execute(query)]


def purged(session: Session, data_ids: list[UUID], *, now: datetime) -> None:
    """Record that the bytes are gone from storage."""
    session.execute(update(Data).where(Data.id.in_(data_ids)).values(deleted_at=now))


def used(photo_ids: str) -> CTE:
    """For the statement that writes an order: its photos are used from now on. photo_ids: the name
    of the parameter.

    One that another order is just using is left to that: two albums of the same photos could wait
    for each other.
    """
    ids: Any = bindparam(photo_ids, type_=ARRAY(Uuid))
    unused = (
        select(Data.id)
        .where(Data.id == any_(ids), Data.purpose == "unused")
        .with_for_update(key_share=True, skip_locked=True)
    )
    marked = update(Data).where(Data.id.in_(unused)).values(purpose=literal_column("'photo'"))
    return marked.returning(Data.id).cte("used")


def lifetimes() -> dict[str, int]:
    """The hours that files of each purpose are kept; 0 is as long as nobody deletes them.

    Of files whose purpose is unknown it is the longer of two times.
    """
    current = settings.load()
    photos = current.data_ttl_hours
    results = current.result_ttl_hours or photos
    unused = min(filter(None, (current.unused_upload_ttl_hours, photos)), default=0)
    unknown = max(photos, results) if photos and results else 0
    return {"unused": unused, "photo": photos, "result": results, "unknown": unknown}


def _older(session: Session, kind: ColumnElement[bool], moment: datetime, limit: int) -> list[UUID]:
    """Files from before `moment` that no live job needs, oldest first, locked."""
    query = select(Data.id).where(kind, Data.created_at < moment, ~_needed())
    found = session.scalars(
        query.order_by(Data.created_at).limit(limit).with_for_update(skip_locked=True)
    )
    return list(found)


def _needed() -> ColumnElement[bool]:
    """Whether a live job has this file among its inputs; one index look-up per file."""
    photo = func.jsonb_build_array(func.jsonb_build_object("dataId", cast(Data.id, Text)))
    return exists().where(Job.status.in_(LIVE_STATUSES), Job.input.op("@>")(photo)).correlate(Data)


@statement(DataRow)
def _of_ids(data_ids: list[UUID]) -> Query:
    return select(*Data.columns(DataRow)).where(Data.id == any_(type_coerce(data_ids, ARRAY(Uuid))))


@statement(DataRow)
def _one(data_id: UUID) -> Query:
    return select(*Data.columns(DataRow)).where(Data.id == data_id)


@write
def _reserve(
    id: UUID, type: str, storage_key: str, content_type: str, created_at: datetime, purpose: str
) -> UpdateBase:
    return insert(Data).values(
        id=id,
        type=type,
        status="pending",
        storage_key=storage_key,
        content_type=content_type,
        created_at=created_at,
        purpose=purpose,
    )


@write
def _note_faces(data_id: UUID, faces: int) -> UpdateBase:
    return update(Data).where(Data.id == data_id).values(faces=faces)


@statement(DataRow)
def _confirm(
    data_id: UUID,
    content_type: str,
    size_bytes: int,
    width: int | None,
    height: int | None,
    now: datetime,
) -> Query:
    return (
        update(Data)
        .where(Data.id == data_id, Data.status == "pending")
        .values(
            status="confirmed",
            content_type=content_type,
            size_bytes=size_bytes,
            width=width,
            height=height,
            confirmed_at=now,
        )
        .returning(*Data.columns(DataRow))
    )
