"""How long an order will take: its position in the queue, and the seconds until it is done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Select, cast, func, select, tuple_
from sqlalchemy.sql.selectable import ScalarSelect

from db import Query, Reader, statement
from db.models import EMBEDDED, Engine, GenerationModel, Job
from db.rows import JobRow

# Counting further would cost more than the number is worth: from here on it is "at least", and
# nothing is said about the time.
MOST = 500
# Longer than a free worker takes to claim a job: no worker is at work.
UNNOTICED = timedelta(seconds=15)


@dataclass(frozen=True)
class Outlook:
    """position: of a queued order, from 1. eta_seconds: until it is done, None if nobody knows."""

    position: int | None = None
    eta_seconds: int | None = None


class Queue(NamedTuple):
    """What is before an order: jobs and the seconds that they will take, each at most MOST jobs.

    own_seconds: of the order itself. running_seconds: what is left of those at work. lanes: how
    many an engine at a provider makes at a time; open_until: when it takes orders again.
    """

    own_seconds: int
    ahead: int
    ahead_seconds: Decimal
    running: int
    running_seconds: Decimal
    lanes: int | None
    open_until: datetime | None
    now: datetime


def outlook(reader: Reader, job: JobRow[UUID]) -> Outlook:
    """When a queued or processing order will be done, by what its model and those before it have
    taken lately, or usually take; nothing for any other one.
    """
    if job.status not in ("queued", "processing"):
        return Outlook()
    queue = _queue.one(
        reader,
        engine=job.engine,
        model_id=job.model_id,
        run_at=job.run_at,
        number=job.number,
    )
    own = queue.own_seconds * job.photos
    if job.status == "processing":
        return Outlook(eta_seconds=max(1, math.ceil(own * (100 - job.progress) / 100)))
    position = queue.ahead + 1
    wait = None if position > MOST else _wait_seconds(queue, waits_since=job.run_at)
    return Outlook(position, None if wait is None else math.ceil(wait) + own)


def _wait_seconds(queue: Queue, *, waits_since: datetime) -> Decimal | None:
    """Seconds until an order begins; None when that depends on what is out of order now."""
    if queue.open_until is not None and queue.open_until > queue.now:
        return None
    if queue.lanes is None:
        # As long as anybody waits, every worker is at work.
        if not queue.running:
            return Decimal(0) if queue.now - waits_since < UNNOTICED else None
        lanes = queue.running
    else:
        lanes = queue.lanes
        if queue.ahead + queue.running < lanes:
            return Decimal(0)
    return (queue.ahead_seconds + queue.running_seconds) / lanes if lanes else None


_PHOTO_SECONDS = func.coalesce(GenerationModel.measured_seconds, GenerationModel.usual_seconds)


def _seconds(jobs: Select[*tuple[object, ...]]) -> tuple[ScalarSelect[int], ScalarSelect[Decimal]]:
    """How many these jobs are, at most MOST, and how many seconds are left of them."""
    found = jobs.add_columns(Job.model_id, Job.photos, Job.progress).limit(MOST).subquery()
    left = _PHOTO_SECONDS * found.c.photos * (100 - found.c.progress) / 100.0
    joined = select(func.coalesce(func.sum(cast(left, Numeric)), 0)).join_from(
        found, GenerationModel, GenerationModel.id == found.c.model_id
    )
    return select(func.count()).select_from(found).scalar_subquery(), joined.scalar_subquery()


def _is_held() -> ColumnElement[bool]:
    """Whether a job in processing is really at work: a silent worker's is not."""
    return (Job.engine != EMBEDDED) | (Job.lease_until > func.now())


@statement(Queue)
def _queue(engine: str, model_id: UUID, run_at: datetime, number: int) -> Query:
    ahead, ahead_seconds = _seconds(
        select()
        .where(
            Job.status == "queued",
            Job.engine == engine,
            tuple_(Job.run_at, Job.number) < tuple_(run_at, number),
        )
        .order_by(Job.run_at, Job.number)
    )
    running, running_seconds = _seconds(
        select().where(Job.status == "processing", Job.engine == engine, _is_held())
    )
    return (
        select(
            _PHOTO_SECONDS.label("own_seconds"),
            ahead.label("ahead"),
            ahead_seconds.label("ahead_seconds"),
            running.label("running"),
            running_seconds.label("running_seconds"),
            Engine.max_in_flight.label("lanes"),
            Engine.open_until.label("open_until"),
            func.now().label("now"),
        )
        .outerjoin(Engine, Engine.name == engine)
        .where(GenerationModel.id == model_id)
    )
