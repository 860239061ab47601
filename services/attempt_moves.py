"""The statements that write generation_attempts: each a step from named states to another one.

Most name the worker's hold on the attempt, too. Whoever comes late writes nothing. The rules are in
services/attempts.py; what is read, and claimed, is in services/attempt_rows.py.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    UpdateBase,
    Uuid,
    and_,
    any_,
    case,
    exists,
    func,
    insert,
    or_,
    type_coerce,
    update,
)
from sqlalchemy.orm import aliased

from db import write
from db.models import GenerationAttempt, Job, User

_TABLE: Any = GenerationAttempt.__table__
_COLUMN = _TABLE.c
_OTHER = aliased(GenerationAttempt)
# Whether its person was erased meanwhile: then its words go with its end.
_IS_NOBODYS = exists().where(
    Job.id == _COLUMN.job_id, User.id == Job.user_id, User.erased_at.is_not(None)
)


def _update(*where: ColumnElement[bool], **values: Any) -> UpdateBase:
    return update(_TABLE).where(*where).values(updated_at=func.now(), **values)


def _held(attempt_id: UUID, claims: int, worker: str) -> ColumnElement[bool]:
    """Whether the attempt is still in the hands of the worker that claimed it."""
    return and_(_COLUMN.id == attempt_id, _COLUMN.claims == claims, _COLUMN.worker == worker)


def _one_of(*states: str) -> ColumnElement[bool]:
    return or_(*(_COLUMN.state == state for state in states))


@write
def plan(  # noqa: PLR0913 (the columns of a row)
    id: UUID,
    job_id: UUID,
    input_index: int,
    number: int,
    paid_number: int | None,
    model_id: UUID,
    engine: str,
    recipe: dict[str, Any] | None,
    prompt: str,
    seed: int,
    cost_estimate: Decimal,
    currency: str,
    deadline: timedelta,
) -> UpdateBase:
    """A new attempt, to be prepared at once."""
    return insert(_TABLE).values(
        id=id,
        job_id=job_id,
        input_index=input_index,
        number=number,
        paid_number=paid_number,
        model_id=model_id,
        engine=engine,
        recipe=recipe,
        prompt=prompt,
        seed=seed,
        cost_estimate=cost_estimate,
        currency=currency,
        state="preparing",
        due_at=func.now(),
        deadline_at=func.now() + deadline,
    )


@write
def hold(attempt_ids: list[UUID], worker: str, lease: timedelta) -> UpdateBase:
    """A longer lease, without a word about what happened: `updated_at` stays."""
    return (
        update(_TABLE)
        .where(
            _COLUMN.id == any_(type_coerce(attempt_ids, ARRAY(Uuid))),
            _COLUMN.ended_at.is_(None),
            _COLUMN.worker == worker,
        )
        .values(due_at=func.now() + lease)
    )


@write
def release(attempt_id: UUID, claims: int, worker: str, after: timedelta) -> UpdateBase:
    """Whoever gives an attempt back, to be looked at later, holds it no more: see hold()."""
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.ended_at.is_(None),
        worker=None,
        due_at=func.now() + after,
    )


@write
def send(attempt_id: UUID, claims: int, worker: str, photo: str) -> UpdateBase:
    """From preparing to creating: from here on it may be charged."""
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.state == "preparing",
        _COLUMN.deadline_at > func.now(),
        state="creating",
        photo=photo,
        sent_at=func.now(),
        charged="maybe",
    )


@write
def accept(attempt_id: UUID, external_id: str, after: timedelta) -> UpdateBase:
    """The provider's id, to an attempt that has none; to running, unless it is being cancelled."""
    return _update(
        _COLUMN.id == attempt_id,
        _one_of("creating", "unknown", "cancelling"),
        _COLUMN.external_id.is_(None),
        # An order found in a list may be another attempt's, which was found first.
        ~exists().where(_OTHER.engine == _COLUMN.engine, _OTHER.external_id == external_id),
        state=case((_COLUMN.state == "cancelling", "cancelling"), else_="running"),
        external_id=external_id,
        worker=None,
        due_at=func.now() + after,
    )


@write
def doubt(attempt_id: UUID, after: timedelta, detail: str) -> UpdateBase:
    """From creating to unknown."""
    return _update(
        _COLUMN.id == attempt_id,
        _COLUMN.state == "creating",
        state="unknown",
        worker=None,
        due_at=func.now() + after,
        error_detail=detail,
    )


@write
def look_again(attempt_id: UUID, claims: int, worker: str, after: timedelta) -> UpdateBase:
    """One more look for an order without an id, in vain."""
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.external_id.is_(None),
        looks=_COLUMN.looks + 1,
        worker=None,
        due_at=func.now() + after,
    )


@write
def observe(
    attempt_id: UUID, claims: int, worker: str, after: timedelta, progress: int, missing: int
) -> UpdateBase:
    """What a poll showed of an order that has an id."""
    return _update(
        _held(attempt_id, claims, worker),
        _one_of("running", "fetching", "cancelling"),
        worker=None,
        due_at=func.now() + after,
        progress=progress,
        missing=missing,
    )


@write
def receive(
    attempt_id: UUID, claims: int, worker: str, result: str, cost: Decimal | None
) -> UpdateBase:
    """From running to fetching: it is charged."""
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.state == "running",
        state="fetching",
        result=result,
        cost_actual=cost,
        charged="yes",
        missing=0,
        worker=None,
        due_at=func.now(),
    )


@write
def end(  # noqa: PLR0913 (the columns that change)
    attempt_id: UUID,
    claims: int,
    worker: str,
    states: list[str],
    state: str,
    charged: str,
    cost: Decimal | None,
    trouble: str | None,
    code: str | None,
    detail: str,
) -> UpdateBase:
    """The end of one that is in one of `states`; a number of those paid is freed if it was not."""
    cost_actual = type_coerce(cost, _COLUMN.cost_actual.type)
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.state == any_(type_coerce(states, ARRAY(Text))),
        state=state,
        charged=charged,
        cost_actual=func.coalesce(cost_actual, _COLUMN.cost_actual),
        paid_number=case((type_coerce(charged, Text) == "no", None), else_=_COLUMN.paid_number),
        trouble=trouble,
        error_code=code,
        error_detail=case((_IS_NOBODYS, None), else_=detail),
        prompt=case((_IS_NOBODYS, ""), else_=_COLUMN.prompt),
        photo=case((_IS_NOBODYS, None), else_=_COLUMN.photo),
        result=case((_IS_NOBODYS, None), else_=_COLUMN.result),
        due_at=None,
        ended_at=func.now(),
    )


@write
def abandon(attempt_id: UUID, claims: int, worker: str) -> UpdateBase:
    """To cancelling, from wherever it is."""
    return _update(
        _held(attempt_id, claims, worker),
        _COLUMN.ended_at.is_(None),
        _COLUMN.state != "cancelling",
        state="cancelling",
        worker=None,
        due_at=func.now(),
    )


@write
def advance_job(job_id: UUID, progress: int) -> UpdateBase:
    """The progress of a job that is being done, which never goes back."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.status == "processing", Job.progress < progress)
        .values(progress=progress, updated_at=func.now())
    )
