"""Orders at providers: rows of generation_attempts, from the commit before the order to its end.

    preparing ─▶ creating ─▶ running ─▶ fetching ─▶ done
                    └─▶ unknown ─┘
    each of them ─▶ failed, refused; or ─▶ cancelling ─▶ canceled when its job has ended meanwhile

States only move forward, each by an UPDATE that names the states it may come from: whoever comes
late changes nothing. What ends an attempt together with its job is in services/outcomes.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import Query, Reader, after_commit, statement
from db.models import GenerationAttempt
from db.rows import GenerationAttemptRow
from services import attempt_moves, attempt_rows
from services.attempt_rows import Attempt
from services.fallbacks import Tried
from telemetry import metrics

# Steps that take milliseconds, and those that move a file or keep a processor busy.
QUICK_STATES = ("creating", "unknown", "running", "cancelling")
SLOW_STATES = ("preparing", "fetching")
DETAIL_LENGTH = 500
TWIN_WITHIN = timedelta(minutes=5)  # more than the minutes in which engines look for an order


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    state: done, failed, refused or canceled. charged: yes, no, maybe. cost: if the provider told
    it. trouble: of a kind that services/fallbacks.py knows; code and detail: the provider's words.
    """

    state: str
    charged: str
    cost: Decimal | None = None
    trouble: str | None = None
    code: str | None = None
    detail: str = ""


class DueJob(NamedTuple):
    """A job that an engine may take, and how its model is run.

    photo_index: of the photo at hand, from 0.
    """

    id: UUID
    user_id: UUID
    number: int
    service_type: str
    price_tokens: Decimal
    photos: int
    client_ref: str | None
    attempt: int
    model_id: UUID
    engine: str
    description: str | None
    photo_index: int
    recipe: dict[str, Any] | None
    prompt: str
    run_cost: Decimal
    run_currency: str


def plan(session: Session, job: DueJob, *, prompt: str, seed: int, deadline: timedelta) -> UUID:
    """Write the attempt that comes before an order at a provider, for the photo at hand.

    job: a locked one. deadline: the time it has. IntegrityError when that photo has an open attempt
    already, or all the paid ones allowed.
    """
    attempt_id = uuid4()
    earlier = attempt_rows.count.one(session, job.id, job.photo_index)
    attempt_moves.plan(
        session,
        id=attempt_id,
        job_id=job.id,
        input_index=job.photo_index,
        number=earlier.begun + 1,
        paid_number=earlier.paid + 1 if job.run_cost else None,
        model_id=job.model_id,
        engine=job.engine,
        recipe=job.recipe,
        prompt=prompt,
        seed=seed,
        cost_estimate=job.run_cost,
        currency=job.run_currency,
        deadline=deadline,
    )
    return attempt_id


def claim_due(
    session: Session, worker: str, *, states: tuple[str, ...], lease: timedelta, limit: int
) -> list[Attempt]:
    """Take attempts that are due, the longest overdue first; they are this worker's for `lease`.

    If the worker dies, they are due again after that.
    """
    return attempt_rows.claim.all(session, list(states), limit, worker, lease)


def hold(session: Session, worker: str, ids: list[UUID], *, lease: timedelta) -> None:
    """Extend the lease on attempts that this worker is at."""
    attempt_moves.hold(session, ids, worker, lease)


def release(session: Session, attempt: Attempt, *, after: timedelta) -> bool:
    """Give an attempt back unchanged, to be looked at again `after` this time."""
    return bool(attempt_moves.release(session, *_mine(attempt), after=after))


def send(session: Session, attempt: Attempt, *, photo: str) -> bool:
    """Note that the order is about to be sent; False when it must not be sent any more.

    Only the worker that holds the attempt gets True, and only once.
    """
    return bool(attempt_moves.send(session, *_mine(attempt), photo=photo))


def accept(session: Session, attempt_id: UUID, *, external_id: str, after: timedelta) -> bool:
    """Store the provider's id of the order, whoever holds the attempt now."""
    return bool(attempt_moves.accept(session, attempt_id, external_id, after))


def doubt(session: Session, attempt_id: UUID, *, after: timedelta, detail: str) -> bool:
    """Note that nobody knows whether the order was accepted; it is looked for `after` this time."""
    return bool(attempt_moves.doubt(session, attempt_id, after, detail[:DETAIL_LENGTH]))


def look_again(session: Session, attempt: Attempt, *, after: timedelta) -> bool:
    """Note that the order was looked for in vain, and when to look for it again."""
    return bool(attempt_moves.look_again(session, *_mine(attempt), after=after))


def observe(
    session: Session, attempt: Attempt, *, after: timedelta, progress: int = 0, missing: int = 0
) -> bool:
    """Store what a poll showed: percent, how often in a row the run was not known, when next."""
    progress = max(progress, attempt.progress)
    observed = attempt_moves.observe(
        session, *_mine(attempt), after=after, progress=progress, missing=missing
    )
    if observed and progress > attempt.progress:
        overall = (100 * attempt.input_index + progress) // attempt.photos
        attempt_moves.advance_job(session, attempt.job_id, overall)
    return bool(observed)


def receive(session: Session, attempt: Attempt, *, result: str, cost: Decimal | None) -> bool:
    """Note that the provider has a result, which must be fetched; it is on our bill."""
    return bool(attempt_moves.receive(session, *_mine(attempt), result=result, cost=cost))


def end(session: Session, attempt: Attempt, ending: Ending, *, states: tuple[str, ...]) -> bool:
    """End an attempt that is in one of `states` and still this worker's; False when it is not.

    The caller has locked its job.
    """
    ended = attempt_moves.end(
        session,
        *_mine(attempt),
        states=list(states),
        state=ending.state,
        charged=ending.charged,
        cost=ending.cost,
        trouble=ending.trouble,
        code=ending.code,
        detail=ending.detail[:DETAIL_LENGTH],
    )
    if ended and metrics.has_started():
        after_commit(session, partial(_count, attempt, ending))
    return bool(ended)


def _count(attempt: Attempt, ending: Ending) -> None:
    labels = attempt.engine, attempt.service_type, ending.trouble or ending.state
    metrics.job_attempts.add(*labels)
    if attempt.sent_at is not None:
        seconds = (attempt.claimed_at - attempt.sent_at).total_seconds()
        metrics.engine_seconds.observe(seconds, *labels)


def abandon(session: Session, attempt: Attempt) -> bool:
    """The job has ended without this attempt, which is to be cancelled at the provider."""
    return bool(attempt_moves.abandon(session, *_mine(attempt)))


def tried(reader: Reader, job_id: UUID, input_index: int) -> list[Tried]:
    """The ended attempts at an input, in their order."""
    rows = attempt_rows.ended.all(reader, job_id, input_index)
    return [
        Tried(
            row.model_id,
            row.engine,
            row.trouble or "",
            row.charged != "no",
            row.cost_estimate if row.cost_actual is None else row.cost_actual,
            row.currency,
        )
        for row in rows
    ]


def other_ids(reader: Reader, attempt: Attempt) -> frozenset[str]:
    """External ids of the engine's attempts of these hours, which a lost order cannot have."""
    return ids_since(reader, attempt.engine, attempt.created_at - timedelta(hours=1))


def ids_since(reader: Reader, engine: str, moment: datetime) -> frozenset[str]:
    """External ids of the engine's attempts since then."""
    return frozenset(attempt_rows.external_ids.all(reader, engine, moment))


def has_lost_twin(reader: Reader, attempt: Attempt) -> bool:
    """Whether another order for the same model, sent in the same minutes, has no id either: of the
    provider's runs, nobody can tell which is whose.
    """
    if attempt.sent_at is None:
        return False
    found = attempt_rows.lost_twin(
        reader,
        attempt_id=attempt.id,
        engine=attempt.engine,
        model_id=attempt.model_id,
        since=attempt.created_at - timedelta(hours=1),
        sent_after=attempt.sent_at - TWIN_WITHIN,
        sent_before=attempt.sent_at + TWIN_WITHIN,
    )
    return found is not None


def is_dead(reader: Reader, attempt_id: UUID) -> bool:
    """Whether an attempt has ended without an id of the provider's."""
    return bool(attempt_rows.is_dead(reader, attempt_id))


def of_job(reader: Reader, job_id: UUID) -> list[GenerationAttemptRow]:
    """Every attempt at a job, oldest first; for the operator."""
    return _of_job.all(reader, job_id)


def recent(
    reader: Reader, engine: str, *, doubtful: bool, limit: int
) -> list[GenerationAttemptRow]:
    """The newest orders at an engine, for the operator.

    doubtful: only those that have ended so that nobody knows whether they are charged.
    """
    newest = _doubtful if doubtful else _recent
    return newest.all(reader, engine, limit)


def _mine(attempt: Attempt) -> tuple[UUID, int, str]:
    """The attempt and the worker's hold on it, for statements that nobody else may run."""
    return attempt.id, attempt.claims, attempt.worker


_SHOWN = select(*GenerationAttempt.columns(GenerationAttemptRow))
_NEWEST = _SHOWN.order_by(GenerationAttempt.created_at.desc())


@statement(GenerationAttemptRow)
def _of_job(job_id: UUID) -> Query:
    return _SHOWN.where(GenerationAttempt.job_id == job_id).order_by(GenerationAttempt.created_at)


@statement(GenerationAttemptRow)
def _recent(engine: str, limit: int) -> Query:
    return _NEWEST.where(GenerationAttempt.engine == engine).limit(limit)


@statement(GenerationAttemptRow)
def _doubtful(engine: str, limit: int) -> Query:
    return _NEWEST.where(
        GenerationAttempt.engine == engine,
        GenerationAttempt.charged == "maybe",
        GenerationAttempt.ended_at.is_not(None),
    ).limit(limit)
