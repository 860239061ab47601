"""Rows of generation_attempts: what a worker gets of one, and the statements that read them.

The rules are in services/attempts.py, the statements that write in services/attempt_moves.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    func,
    select,
    type_coerce,
    update,
)

from db import Query, scalar, statement
from db.models import GenerationAttempt, GenerationModel, Job


class Attempt(NamedTuple):
    """An attempt in the hands of a worker, as it was when it was claimed.

    claimed_at: that moment by the database's clock, which all moments of attempts are by: the
    worker's own may be wrong. job_status and the fields after it are those of its job and model;
    photo_index: of the photo that the job is at now, from 0.
    """

    id: UUID
    job_id: UUID
    input_index: int
    number: int
    model_id: UUID
    engine: str
    recipe: dict[str, Any]
    prompt: str
    seed: int
    state: str
    photo: str | None
    external_id: str | None
    result: str | None
    sent_at: datetime | None
    worker: str
    claims: int
    deadline_at: datetime
    progress: int
    looks: int
    missing: int
    cost_estimate: Decimal
    cost_actual: Decimal | None
    currency: str
    created_at: datetime
    claimed_at: datetime
    job_status: str
    photo_index: int
    photos: int
    service_type: str
    input: list[dict[str, Any]]
    request_id: str | None
    traceparent: str | None
    model: str
    usual_seconds: int
    max_result_bytes: int

    @property
    def is_awaited(self) -> bool:
        """Whether its job waits for it."""
        return self.job_status == "processing" and self.photo_index == self.input_index


class Count(NamedTuple):
    """How many attempts at an input were begun, and how many of them are paid."""

    begun: int
    paid: int


class Ended(NamedTuple):
    """An attempt that has ended: see db.models.GenerationAttempt."""

    model_id: UUID
    engine: str
    trouble: str | None
    charged: str
    cost_estimate: Decimal
    cost_actual: Decimal | None
    currency: str


_TABLE: Any = GenerationAttempt.__table__
_COLUMN = _TABLE.c
_FROM_OTHERS = {
    "claimed_at": func.now(),
    "job_status": Job.status,
    "photo_index": func.jsonb_array_length(Job.results),
    "photos": Job.photos,
    "service_type": Job.service_type,
    "input": Job.input,
    "request_id": Job.request_id,
    "traceparent": Job.traceparent,
    "model": GenerationModel.name,
    "usual_seconds": GenerationModel.usual_seconds,
    "max_result_bytes": GenerationModel.max_result_bytes,
}


def _of_input(job_id: UUID, input_index: int) -> ColumnElement[bool]:
    return and_(_COLUMN.job_id == job_id, _COLUMN.input_index == input_index)


@statement(Count)
def count(job_id: UUID, input_index: int) -> Query:
    """The attempts at an input, ended or not."""
    begun, paid = func.count().label("begun"), func.count(_COLUMN.paid_number).label("paid")
    return select(begun, paid).where(_of_input(job_id, input_index))


@statement(Attempt)
def claim(states: list[str], limit: int, worker: str, lease: timedelta) -> Query:
    """Attempts that are due, the longest overdue first, given to this worker for `lease`."""
    due = (
        select(_COLUMN.id)
        .where(
            _COLUMN.ended_at.is_(None),
            _COLUMN.due_at <= func.now(),
            _COLUMN.state == any_(type_coerce(states, ARRAY(Text))),
        )
        .order_by(_COLUMN.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        update(_TABLE)
        .where(
            # As an array it is run once; joined, it might be run again and lock more than it may.
            _COLUMN.id == any_(func.array(due, type_=ARRAY(Uuid))),
            Job.id == _COLUMN.job_id,
            GenerationModel.id == _COLUMN.model_id,
        )
        .values(due_at=func.now() + lease, worker=worker, claims=_COLUMN.claims + 1)
        .returning(
            *(
                _FROM_OTHERS[name].label(name) if name in _FROM_OTHERS else _COLUMN[name]
                for name in Attempt._fields
            )
        )
    )


@statement(Ended)
def ended(job_id: UUID, input_index: int) -> Query:
    """The ended attempts at an input, in their order."""
    return (
        select(*GenerationAttempt.columns(Ended))
        .where(_of_input(job_id, input_index), _COLUMN.ended_at.is_not(None))
        .order_by(_COLUMN.number)
    )


@scalar
def external_ids(engine: str, since: datetime) -> Select[str]:
    """Those of an engine's attempts since this moment."""
    return select(_COLUMN.external_id).where(
        _COLUMN.engine == engine,
        _COLUMN.created_at > since,
        _COLUMN.external_id.is_not(None),
    )


@scalar
def lost_twin(
    attempt_id: UUID,
    engine: str,
    model_id: UUID,
    since: datetime,
    sent_after: datetime,
    sent_before: datetime,
) -> Select[UUID]:
    """Another order for the model in the same minutes that has no id and may be charged."""
    return (
        select(_COLUMN.id)
        .where(
            _COLUMN.engine == engine,
            _COLUMN.model_id == model_id,
            _COLUMN.created_at > since,
            _COLUMN.sent_at.between(sent_after, sent_before),
            _COLUMN.id != attempt_id,
            _COLUMN.external_id.is_(None),
            _COLUMN.charged != "no",
        )
        .limit(1)
    )


@scalar
def is_dead(attempt_id: UUID) -> Select[bool]:
    """Whether it has ended without an id of the provider's."""
    return select(_COLUMN.ended_at.is_not(None) & _COLUMN.external_id.is_(None)).where(
        _COLUMN.id == attempt_id
    )
