"""What waits for the operator: how much of it, since when, in which list, and whether to act now.

Nothing is counted beyond MOST, so that a backlog of a million costs what one of a hundred does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    func,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from db import Query, Reader, statement
from db.models import (
    EMBEDDED,
    TROUBLED,
    Engine,
    Event,
    GenerationAttempt,
    Job,
    Payment,
    PaymentEvent,
    Review,
    SupportRequest,
)
from services import breakers, checks, engines

MOST = 100
# A customer waits; longer than a queue of a few photos takes.
LONG_WAIT = timedelta(minutes=5)
LONG_DELIVERY = timedelta(minutes=10)
DAY = timedelta(days=1)


class Backlog(NamedTuple):
    """How many rows wait, at most MOST + 1, and since when the oldest of these."""

    n: int
    oldest: datetime | None


class Failures(NamedTuple):
    """How many orders ended with an error code."""

    code: str
    n: int


@dataclass(frozen=True)
class Signal:
    """One thing to know: n of it, at most MOST + 1, the oldest from `oldest`.

    page, filters: the list that shows exactly these, by its noun in the console. act: somebody must
    do something.
    """

    name: str
    n: int
    oldest: datetime | None = None
    page: str = ""
    filters: dict[str, str] = field(default_factory=dict)
    act: bool = False

    @property
    def is_more(self) -> bool:
        """Whether there are more than MOST."""
        return self.n > MOST


def signals(reader: Reader, *, now: datetime) -> list[Signal]:
    """Everything that may need somebody, in the order of how much it hurts."""
    return [*_backlogs(reader, now), _breakers(reader, now), *_proofs(reader, now)]


def failures(reader: Reader, *, now: datetime) -> list[Failures]:
    """Orders that ended without a result in the last 24 hours, by code, the most frequent first."""
    return _failures.all(reader, now - DAY)


def _backlogs(reader: Reader, now: datetime) -> Iterator[Signal]:
    queued = _queued.one(reader)
    yield Signal(
        "queue",
        *queued,
        page="jobs",
        filters={"status": "queued"},
        act=_is_older(queued, now, LONG_WAIT),
    )
    for name, query, page, filters in (
        ("parked_events", _parked, "inbox", {"state": "parked"}),
        ("troubled_payments", _troubled, "payments", {"only": "troubled"}),
        ("held_reviews", _held, "reviews", {"state": "held"}),
        ("requests", _asked, "support", {}),
        ("dead_events", _dead, "outbox", {"state": "dead"}),
        ("doubtful_orders", _doubtful, "engines", {}),
    ):
        found = query.one(reader)
        yield Signal(name, *found, page=page, filters=filters, act=found.n > 0)
    sent = _pending.one(reader)
    yield Signal(
        "undelivered_events",
        *sent,
        page="outbox",
        filters={"state": "pending"},
        act=_is_older(sent, now, LONG_DELIVERY),
    )


def _breakers(reader: Reader, now: datetime) -> Signal:
    """Trouble with an account needs the operator; other breakers close by themselves."""
    opened = [each for each in engines.all_engines(reader) if breakers.of(each).is_open(now)]
    needs = any(each.open_code in breakers.ACCOUNT_CODES for each in opened)
    return Signal("open_breakers", len(opened), page="engines", act=needs)


def _proofs(reader: Reader, now: datetime) -> Iterator[Signal]:
    for subject in (checks.LEDGER, checks.FIGURES):
        last = checks.latest(reader, subject)
        broken = last.broken if last else 0
        late = last is not None and now - last.checked_at > checks.LATEST + DAY
        yield Signal(
            f"{subject}_check",
            broken,
            last and last.checked_at,
            page="ledger",
            act=broken > 0 or late,
        )


def _is_older(backlog: Backlog, now: datetime, age: timedelta) -> bool:
    return backlog.oldest is not None and now - backlog.oldest > age


def _backlog(
    since: InstrumentedAttribute[datetime],
    *where: ColumnElement[bool],
    first: InstrumentedAttribute[Any],
) -> Select[int, datetime]:
    some = select(since.label("since")).where(*where).order_by(first).limit(MOST + 1).subquery()
    return select(func.count().label("n"), func.min(some.c.since).label("oldest"))


@statement(Backlog)
def _queued() -> Query:
    """Due orders of each engine in turn, as its index has them."""
    due = (Job.status == "queued", Job.run_at <= func.now())
    oldest = select(Job.run_at.label("since")).where(*due).order_by(Job.run_at).limit(MOST + 1)
    own = oldest.where(Job.engine == EMBEDDED).subquery()
    remote = oldest.where(Job.engine != EMBEDDED, Job.engine == Engine.name).lateral()
    some = union_all(
        select(own.c.since), select(remote.c.since).select_from(Engine).join(remote, true())
    ).subquery()
    return select(
        func.least(func.count(), MOST + 1).label("n"), func.min(some.c.since).label("oldest")
    )


@statement(Backlog)
def _parked() -> Query:
    return _backlog(
        PaymentEvent.received_at, PaymentEvent.state == "parked", first=PaymentEvent.number
    )


@statement(Backlog)
def _troubled() -> Query:
    return _backlog(Payment.created_at, literal_column(TROUBLED, Boolean), first=Payment.created_at)


@statement(Backlog)
def _held() -> Query:
    return _backlog(Review.created_at, Review.state == "held", first=Review.number)


@statement(Backlog)
def _asked() -> Query:
    return _backlog(
        SupportRequest.created_at, SupportRequest.status == "open", first=SupportRequest.number
    )


@statement(Backlog)
def _dead() -> Query:
    return _backlog(Event.created_at, Event.state == "dead", first=Event.number)


@statement(Backlog)
def _pending() -> Query:
    return _backlog(Event.created_at, Event.state == "pending", first=Event.next_at)


@statement(Backlog)
def _doubtful() -> Query:
    return _backlog(
        GenerationAttempt.created_at,
        GenerationAttempt.ended_at.is_(None),
        GenerationAttempt.state == "unknown",
        first=GenerationAttempt.due_at,
    )


@statement(Failures)
def _failures(since: datetime) -> Query:
    code = func.coalesce(Job.meta["error"]["code"].astext, Job.meta["reason"].astext, "-")
    count = func.count().label("n")
    return (
        select(code.label("code"), count)
        .where(Job.status == "failed", Job.finished_at >= since)
        .group_by(code)
        .order_by(count.desc(), code)
    )
