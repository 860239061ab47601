"""Rows of generation_attempts: what a worker gets of one, and the statements that move it.

The rules are in services/attempts.py.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Integer,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from db.models import GenerationAttempt, GenerationModel, Job
from db.statements import Scalar, Statement, Write


class Attempt(NamedTuple):
    """An attempt in the hands of a worker, as it was when it was claimed.

    claimed_at: that moment by the database's clock, which all moments of attempts are by: the
    worker's own may be wrong. job_status and the fields after it are those of its job and model;
    place: which of its photos the job is at now.
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
    place: int
    photos: int
    service_type: str
    input: list[dict[str, Any]]
    model: str
    usual_seconds: int
    max_result_bytes: int

    @property
    def is_awaited(self) -> bool:
        """Whether its job waits for it."""
        return self.job_status == "processing" and self.place == self.input_index


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
_OTHER = aliased(GenerationAttempt)
_ID = _COLUMN.id == bindparam("where_id")
_HELD = (
    _ID,
    _COLUMN.claims == bindparam("where_claims"),
    _COLUMN.worker == bindparam("where_worker"),
)
_OF_INPUT = (
    _COLUMN.job_id == bindparam("job_id"),
    _COLUMN.input_index == bindparam("input_index"),
)


def _new(name: str, column: str | None = None) -> Any:
    return bindparam(f"new_{name}", type_=_COLUMN[column or name].type)


def _in(name: str) -> Any:
    return func.now() + bindparam(f"new_{name}", type_=Interval)


def _update(*where: Any, **values: Any) -> Write[...]:
    return Write(update(_TABLE).where(*where).values(updated_at=func.now(), **values))


def _one_of(*states: str) -> Any:
    return or_(*(_COLUMN.state == state for state in states))


def _listed(name: str) -> Any:
    return _COLUMN.state == any_(bindparam(name, type_=ARRAY(Text)))


BEGIN: Write[...] = Write(
    insert(_TABLE).values(
        **{
            name: bindparam(name)
            for name in (
                *("id", "job_id", "input_index", "number", "paid_number", "model_id", "engine"),
                *("recipe", "prompt", "seed", "cost_estimate", "currency"),
            )
        },
        state="preparing",
        due_at=func.now(),
        deadline_at=func.now() + bindparam("deadline", type_=Interval),
    )
)
COUNT: Statement[..., Count] = Statement(
    Count,
    select(func.count().label("begun"), func.count(_COLUMN.paid_number).label("paid")).where(
        *_OF_INPUT
    ),
)
_DUE = (
    select(_COLUMN.id)
    .where(_COLUMN.ended_at.is_(None), _COLUMN.due_at <= func.now(), _listed("where_states"))
    .order_by(_COLUMN.due_at)
    .limit(bindparam("where_limit", type_=Integer))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_FROM_OTHERS = {
    "claimed_at": func.now(),
    "job_status": Job.status,
    "place": func.jsonb_array_length(Job.results),
    "photos": Job.photos,
    "service_type": Job.service_type,
    "input": Job.input,
    "model": GenerationModel.name,
    "usual_seconds": GenerationModel.usual_seconds,
    "max_result_bytes": GenerationModel.max_result_bytes,
}
CLAIM: Statement[..., Attempt] = Statement(
    Attempt,
    update(_TABLE)
    .where(
        # As an array it is run once; joined, it might be run again and lock more than it may.
        _COLUMN.id == any_(func.array(_DUE, type_=ARRAY(Uuid))),
        Job.id == _COLUMN.job_id,
        GenerationModel.id == _COLUMN.model_id,
    )
    .values(due_at=_in("lease"), worker=bindparam("new_worker"), claims=_COLUMN.claims + 1)
    .returning(
        *(
            _FROM_OTHERS[name].label(name) if name in _FROM_OTHERS else _COLUMN[name]
            for name in Attempt._fields
        )
    ),
)
HOLD: Write[...] = Write(
    update(_TABLE)
    .where(
        _COLUMN.id == any_(bindparam("where_ids", type_=ARRAY(Uuid))),
        _COLUMN.ended_at.is_(None),
        _COLUMN.worker == bindparam("where_worker"),
    )
    .values(due_at=_in("lease"))
)
# Whoever gives an attempt back, to be looked at later, holds it no more: see HOLD.
RELEASE = _update(*_HELD, _COLUMN.ended_at.is_(None), worker=None, due_at=_in("due_in"))
SEND = _update(
    *_HELD,
    _COLUMN.state == "preparing",
    _COLUMN.deadline_at > func.now(),
    state="creating",
    photo=_new("photo"),
    sent_at=func.now(),
    charged="maybe",
)
ACCEPT = _update(
    _ID,
    _one_of("creating", "unknown", "cancelling"),
    _COLUMN.external_id.is_(None),
    # An order found in a list may be another attempt's, which was found first.
    ~exists().where(
        _OTHER.engine == _COLUMN.engine,
        _OTHER.external_id == bindparam("new_external_id", type_=Text),
    ),
    state=case((_COLUMN.state == "cancelling", "cancelling"), else_="running"),
    external_id=_new("external_id"),
    worker=None,
    due_at=_in("due_in"),
)
DOUBT = _update(
    _ID,
    _COLUMN.state == "creating",
    state="unknown",
    worker=None,
    due_at=_in("due_in"),
    error_detail=_new("detail", "error_detail"),
)
LOOKED = _update(
    *_HELD,
    _COLUMN.external_id.is_(None),
    looks=_COLUMN.looks + 1,
    worker=None,
    due_at=_in("due_in"),
)
OBSERVE = _update(
    *_HELD,
    _one_of("running", "fetching", "cancelling"),
    worker=None,
    due_at=_in("due_in"),
    progress=_new("progress"),
    missing=_new("missing"),
)
RECEIVE = _update(
    *_HELD,
    _COLUMN.state == "running",
    state="fetching",
    result=_new("result"),
    cost_actual=_new("cost", "cost_actual"),
    charged="yes",
    missing=0,
    worker=None,
    due_at=func.now(),
)
END = _update(
    *_HELD,
    _listed("where_states"),
    state=_new("state"),
    charged=_new("charged"),
    cost_actual=func.coalesce(_new("cost", "cost_actual"), _COLUMN.cost_actual),
    paid_number=case((_new("charged") == "no", None), else_=_COLUMN.paid_number),
    trouble=_new("trouble"),
    error_code=_new("code", "error_code"),
    error_detail=_new("detail", "error_detail"),
    due_at=None,
    ended_at=func.now(),
)
ABANDON = _update(
    *_HELD,
    _COLUMN.ended_at.is_(None),
    _COLUMN.state != "cancelling",
    state="cancelling",
    worker=None,
    due_at=func.now(),
)
PROGRESS: Write[...] = Write(
    update(Job)
    .where(
        Job.id == bindparam("where_id"),
        Job.status == "processing",
        Job.progress < bindparam("new_progress", type_=Integer),
    )
    .values(progress=bindparam("new_progress", type_=Integer), updated_at=func.now())
)
TRIED: Statement[..., Ended] = Statement(
    Ended,
    select(*GenerationAttempt.columns(Ended))
    .where(*_OF_INPUT, _COLUMN.ended_at.is_not(None))
    .order_by(_COLUMN.number),
)
IDS: Scalar[..., str] = Scalar(
    select(_COLUMN.external_id).where(
        _COLUMN.engine == bindparam("engine"),
        _COLUMN.created_at > bindparam("since", type_=_COLUMN.created_at.type),
        _COLUMN.external_id.is_not(None),
    )
)
TWIN: Scalar[..., UUID] = Scalar(
    select(_COLUMN.id)
    .where(
        _COLUMN.engine == bindparam("engine"),
        _COLUMN.model_id == bindparam("model_id"),
        _COLUMN.created_at > bindparam("since", type_=_COLUMN.created_at.type),
        _COLUMN.sent_at.between(
            bindparam("sent_after", type_=_COLUMN.sent_at.type),
            bindparam("sent_before", type_=_COLUMN.sent_at.type),
        ),
        _COLUMN.id != bindparam("attempt_id"),
        _COLUMN.external_id.is_(None),
        _COLUMN.charged != "no",
    )
    .limit(1)
)
DEAD: Scalar[..., bool] = Scalar(
    select((_COLUMN.ended_at.is_not(None) & _COLUMN.external_id.is_(None)).label("dead")).where(
        _COLUMN.id == bindparam("attempt_id")
    )
)
