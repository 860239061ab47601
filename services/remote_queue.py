"""Queued jobs of engines at providers: ordered there, moved to another engine, or given up.

While they wait they are `queued` like all others; an engine that is full or closed leaves them so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, UpdateBase, exists, func, select, update
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, notifications, scalar, statement, write
from db.models import EMBEDDED, Engine, GenerationAttempt, GenerationModel, Job
from db.models.engines import MOST_PAID_ATTEMPTS
from services import (
    attempts,
    breakers,
    engines,
    events,
    fallbacks,
    jobs,
    ledger,
    models,
    results,
)
from services.attempts import DueJob
from services.engines import Room
from services.fallbacks import Candidate
from services.results import Turn

AT_ONCE = 20  # jobs ordered, or moved, in one transaction
LARGEST_SEED = 2**31 - 1


class Waiting(NamedTuple):
    """A job that waits for an engine which takes none. photo_index: of the one at hand, from 0."""

    id: UUID
    service_type: str
    photo_index: int


@dataclass(frozen=True)
class Taken:
    """How many attempts were begun, and whether more were due than money for today."""

    begun: int
    out_of_money: bool


def engines_with_work(reader: Reader) -> list[str]:
    """Engines for which jobs are due."""
    return _with_work.all(reader)


def take(session: Session, engine: str, room: Room, *, chance: Random) -> Taken:
    """Begin an attempt for each due job of an engine, oldest first, as far as there is room.

    The caller holds the engine's lock. The attempts are due at once.
    """
    money, begun = room.money, 0
    deadline = timedelta(seconds=settings.load().remote_timeout_seconds)
    for job in _take.all(session, engine, min(room.orders, AT_ONCE)):
        if money is not None and job.run_cost > money:
            return Taken(begun, out_of_money=True)
        money = None if money is None else money - job.run_cost
        prompt = models.prompt(job.prompt, job.description)
        attempts.plan(
            session, job, prompt=prompt, seed=chance.randint(0, LARGEST_SEED), deadline=deadline
        )
        _start(session, job.id)
        if job.attempt == 0:
            events.tell(session, job.user_id, events.job_started(job))
        begun += 1
    return Taken(begun, out_of_money=False)


def move_on(session: Session, engine: str, *, closed: Collection[str]) -> int:
    """Give due jobs of an engine that is closed to others that may stand in; returns how many.

    closed: engines that take no orders now.
    """
    moved = 0
    for row in _due.all(session, engine, AT_ONCE):
        other = fallbacks.elsewhere(
            attempts.tried(session, row.id, row.photo_index),
            candidates(session, row.service_type),
            limits=engines.cost_limits(),
            closed={engine, *closed},
        )
        if other is not None:
            put_back(session, session.get_one(Job, row.id), timedelta(0), other)
            moved += 1
    return moved


def give_up_waiting(session: Session, *, now: datetime) -> str | None:
    """Give up the rest of a job that its engine has not taken for REMOTE_WAIT_MINUTES; returns the
    engine, None when there is no such job.
    """
    waited = timedelta(minutes=settings.load().remote_wait_minutes)
    too_long = [
        Job.status == "queued",
        Job.engine != EMBEDDED,
        Job.run_at < func.now() - waited,
    ]
    found = session.execute(select(Job.id, Job.user_id).where(*too_long).limit(1)).one_or_none()
    if found is None:
        return None
    ledger.lock_account(session, found.user_id)
    # It may have been taken while we waited for the user.
    job = session.scalar(select(Job).where(Job.id == found.id, *too_long).with_for_update())
    if job is None:
        return None
    error = _error(*fallbacks.UNAVAILABLE)
    if not job.results:
        jobs.end_unfinished(session, job, {"reason": "failed", "error": error})
    else:
        while results.give_up(session, job, error, now=now) is Turn.NEXT:
            continue
    return job.engine


def candidates(reader: Reader, service_type: str) -> list[Candidate]:
    """The models that may stand in for another one of a service."""
    return [
        Candidate(row.id, row.engine, row.run_cost, row.run_currency)
        for row in models.stand_ins(reader, service_type)
    ]


def closed_engines(reader: Reader, now: datetime) -> set[str]:
    """Engines whose breaker is open."""
    return {each.name for each in engines.all_engines(reader) if breakers.of(each).is_open(now)}


def put_back(session: Session, job: Job, after: timedelta, other: Candidate | None = None) -> None:
    """Queue a locked job for the photo at hand, for `other` if given.

    Job.meta keeps the model that was ordered.
    """
    if other is not None:
        job.meta = {"orderedModelId": str(job.model_id), **job.meta}
        job.model_id, job.engine = other.model_id, other.engine
    job.status = "queued"
    job.run_at = func.now() + after
    job.lease_until = job.worker = None
    job.progress = results.progress(job)
    job.updated_at = func.now()
    session.flush()
    notifications.announce(session)


def return_to_ordered(session: Session, job: Job) -> None:
    """Let the model that was ordered make the next photo, by its engine, not the one that stood in.

    Every photo of an album begins with it, however the one before has ended.
    """
    meta = dict(job.meta)
    ordered = meta.pop("orderedModelId", None)
    if ordered is not None:
        job.model_id, job.meta = UUID(ordered), meta
        job.engine = session.scalars(
            select(GenerationModel.engine).where(GenerationModel.id == job.model_id)
        ).one()


def give_up(session: Session, job: Job, code: str, message: str, *, now: datetime) -> None:
    """Give up the photo at hand: the job goes on with its next one, or ends, with tokens back.

    The caller holds user and job locks.
    """
    if job.photos > 1:
        return_to_ordered(session, job)
    if results.give_up(session, job, _error(code, message), now=now) is Turn.NEXT:
        put_back(session, job, fallbacks.AT_ONCE)


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


_IS_DUE = (Job.status == "queued", Job.run_at <= func.now())


@scalar
def _with_work() -> Select[str]:
    waiting = exists().where(Job.engine == Engine.name, Job.engine != EMBEDDED, *_IS_DUE)
    return select(Engine.name).where(waiting)


# One that has used up its paid attempts, which nothing should bring here, must not block others.
_PHOTO_INDEX = func.jsonb_array_length(Job.results)
_ALL_PAID = exists().where(
    GenerationAttempt.job_id == Job.id,
    GenerationAttempt.input_index == _PHOTO_INDEX,
    GenerationAttempt.paid_number == MOST_PAID_ATTEMPTS,
)


def _oldest(query: Select[*tuple[Any, ...]], engine: str, rows: int) -> Select[*tuple[Any, ...]]:
    """Due jobs of an engine, locked; those that another worker is at are left to it."""
    return (
        query.where(Job.engine == engine, Job.engine != EMBEDDED, *_IS_DUE)
        .order_by(Job.run_at, Job.number)
        .limit(rows)
        .with_for_update(skip_locked=True, of=Job)
    )


@statement(Waiting)
def _due(engine: str, rows: int) -> Query:
    return _oldest(select(*Job.columns(Waiting), _PHOTO_INDEX.label("photo_index")), engine, rows)


@statement(DueJob)
def _take(engine: str, rows: int) -> Query:
    query = (
        select(
            *Job.columns(DueJob),
            _PHOTO_INDEX.label("photo_index"),
            GenerationModel.recipe,
            GenerationModel.prompt,
            GenerationModel.run_cost,
            GenerationModel.run_currency,
        )
        .join(GenerationModel, GenerationModel.id == Job.model_id)
        .where(~_ALL_PAID)
    )
    return _oldest(query, engine, rows)


@write
def _start(job_id: UUID) -> UpdateBase:
    return (
        update(Job)
        .where(Job.id == job_id)
        .values(
            status="processing",
            attempt=Job.attempt + 1,
            started_at=func.coalesce(Job.started_at, func.now()),
            updated_at=func.now(),
        )
    )
