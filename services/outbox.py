"""Events on their way to EVENTS_URL: claimed by a sender, delivered or tried again, at last dead.

Of one user only the oldest pending event is ever in somebody's hands, so they arrive in order.
Every write names the attempt that it belongs to (the fencing token): a sender whose lease has run
out changes nothing when it comes back. What it sent arrives a second time, with the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    UpdateBase,
    Uuid,
    any_,
    column,
    delete,
    exists,
    func,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session, aliased

import settings
from db import Query, Reader, statement, write
from db.models import Event
from db.rows import EventRow
from services import paging

# Before the second try, the third...: 45 hours in all.
DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400)
)
JITTER = 0.2
LEASE = timedelta(seconds=60)  # longer than all posts of one turn take
AT_ONCE = 40
ERROR_LENGTH = 500
UNDELIVERED = ("pending", "dead")  # states that somebody may look for
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
SWEPT_AT_ONCE = 10_000


class Count(NamedTuple):
    """How many events are in a state, and when the oldest of them was written."""

    state: str
    events: int
    oldest: datetime | None


def claim(session: Session, *, limit: int = AT_ONCE) -> list[EventRow]:
    """Take events that are due, at most one of each user; they are the caller's for LEASE."""
    return _claim.all(session, LEASE, limit)


def delivered(session: Session, taken: Sequence[EventRow]) -> int:
    """Record that the bot has these; returns for how many nobody else has done it meanwhile."""
    return _delivered(session, [event.id for event in taken], [event.attempt for event in taken])


def failed(
    session: Session,
    event: EventRow,
    *,
    status: int | None,
    error: str,
    retry_after: float | None,
    chance: Random,
) -> bool:
    """Put an event back for a later try, or give it up after the last; whether it is dead now.

    The later ones of its user wait as long as it does.
    """
    tries = event.attempt - event.attempts_before
    if tries > len(DELAYS):
        return give_up(session, event, status=status, error=error)
    delay = DELAYS[tries - 1] * (1 + chance.uniform(-JITTER, JITTER))
    delay = max(delay, timedelta(seconds=retry_after or 0))
    if _put_back(session, event.id, event.attempt, delay, status, error[:ERROR_LENGTH]):
        _hold_back(session, event.user_id, event.sequence or 0, delay)
    return False


def give_up(session: Session, event: EventRow, *, status: int | None, error: str) -> bool:
    """Send an event no more until an operator says so."""
    return bool(_give_up(session, event.id, event.attempt, status, error[:ERROR_LENGTH]))


def counts(reader: Reader) -> list[Count]:
    """How many events are pending and dead."""
    return _counts.all(reader)


def recent(reader: Reader, *, state: str | None, limit: int) -> list[EventRow]:
    """The newest events, of one state if given; of pending ones the oldest."""
    if state == "pending":
        return _overdue.all(reader, limit)
    return _of_state.all(reader, state, limit) if state else _recent.all(reader, limit)


def listed(
    reader: Reader, *, limit: int, cursor: str | None = None, state: str | None = None
) -> paging.Page[EventRow]:
    """The newest events that the bot may read; of UNDELIVERED ones those that are due last first.

    ApiError `bad_request` for a cursor that no page gave out.
    """
    return _LISTS[state].page(reader, limit=limit, cursor=cursor)


def find(reader: Reader, event_id: UUID) -> EventRow:
    """ValueError when there is no such event."""
    event = _find.one_or_none(reader, event_id)
    if event is None:
        raise ValueError("there is no such event")
    return event


def replay(session: Session, event_id: UUID) -> None:
    """Send an event again from the first try, with its old id; ValueError if there is none."""
    find(session, event_id)
    _replay(session, event_id)


def replay_all(session: Session, *, state: str, since: datetime | None) -> int:
    """Send all events of a state again, those since a moment if given; returns how many."""
    return _replay_all(session, state, since or BEGINNING)


def sweep(session: Session, *, now: datetime) -> int:
    """Delete events older than EVENT_TTL_DAYS, but not those that wait: up to SWEPT_AT_ONCE that
    the bot had or could read, and as many dead ones; returns how many.
    """
    before = now - timedelta(days=settings.load().event_ttl_days)
    return _sweep(session, before) + _sweep_dead(session, before)


def sweep_unposted(session: Session, *, now: datetime) -> int:
    """The same for events that wait although nobody posts: they are from before EVENTS_URL was
    taken away.
    """
    return _sweep_pending(session, now - timedelta(days=settings.load().event_ttl_days))


_PENDING = Event.state == "pending"


def _mine(event_id: UUID, attempt: int) -> tuple[ColumnElement[bool], ...]:
    return Event.id == event_id, Event.attempt == attempt, _PENDING


@statement(EventRow)
def _claim(lease: timedelta, rows: int) -> Query:
    earlier = aliased(Event)
    waits = exists().where(
        earlier.state == "pending",
        earlier.user_id == Event.user_id,
        earlier.sequence < Event.sequence,
    )
    due = (
        select(Event.id)
        .where(_PENDING, Event.next_at <= func.now(), Event.sequence.is_not(None), ~waits)
        .order_by(Event.next_at, Event.number)
        .limit(rows)
        .with_for_update(skip_locked=True, of=Event)
        .scalar_subquery()
    )
    return (
        update(Event)
        # As an array it is run once; joined, it might be run again and lock more than it may.
        .where(Event.id == any_(func.array(due, type_=ARRAY(Uuid))))
        .values(attempt=Event.attempt + 1, next_at=func.now() + lease)
        .returning(*Event.columns(EventRow))
    )


@write
def _delivered(ids: list[UUID], attempts: list[int]) -> UpdateBase:
    numbers: Any = type_coerce(attempts, ARRAY(BigInteger))
    taken = (
        func.unnest(ids, numbers)
        .table_valued(column("id", Uuid), column("attempt", BigInteger), name="taken")
        .render_derived()
    )
    return (
        update(Event)
        .where(Event.id == taken.c.id, Event.attempt == taken.c.attempt, _PENDING)
        .values(
            state="delivered",
            next_at=None,
            delivered_at=func.now(),
            last_status=None,
            last_error=None,
        )
    )


@write
def _put_back(
    event_id: UUID, attempt: int, delay: timedelta, status: int | None, error: str
) -> UpdateBase:
    return (
        update(Event)
        .where(*_mine(event_id, attempt))
        .values(next_at=func.now() + delay, last_status=status, last_error=error)
    )


@write
def _hold_back(user_id: UUID | None, sequence: int, delay: timedelta) -> UpdateBase:
    # Else every claim would look at each of them, only to see that it is not its turn.
    return (
        update(Event)
        .where(
            Event.user_id == user_id,
            Event.sequence > sequence,
            _PENDING,
            Event.next_at < func.now() + delay,
        )
        .values(next_at=func.now() + delay)
    )


@write
def _give_up(event_id: UUID, attempt: int, status: int | None, error: str) -> UpdateBase:
    return (
        update(Event)
        .where(*_mine(event_id, attempt))
        .values(state="dead", next_at=None, last_status=status, last_error=error)
    )


@statement(Count)
def _counts() -> Query:
    return (
        select(
            Event.state, func.count().label("events"), func.min(Event.created_at).label("oldest")
        )
        .where(Event.state.in_(("pending", "dead")))
        .group_by(Event.state)
        .order_by(Event.state)
    )


@statement(EventRow)
def _overdue(rows: int) -> Query:
    return (
        select(*Event.columns(EventRow))
        .where(_PENDING)
        .order_by(Event.next_at, Event.number)
        .limit(rows)
    )


@statement(EventRow)
def _of_state(state: str, rows: int) -> Query:
    newest = select(*Event.columns(EventRow)).order_by(Event.sequence.desc().nulls_last())
    return newest.where(Event.state == state).limit(rows)


@statement(EventRow)
def _recent(rows: int) -> Query:
    newest = select(*Event.columns(EventRow)).where(Event.sequence.is_not(None))
    return newest.order_by(Event.sequence.desc()).limit(rows)


# Each in the order of an index of its own.
_EVENTS = select(*Event.columns(EventRow))
_LISTS = {
    None: paging.Filtered(
        EventRow, _EVENTS.where(Event.sequence.is_not(None)), {Event.sequence: paging.number}
    ),
    "pending": paging.Filtered(
        EventRow,
        _EVENTS.where(_PENDING),
        {Event.next_at: paging.moment, Event.number: paging.number},
    ),
    "dead": paging.Filtered(
        EventRow, _EVENTS.where(Event.state == "dead"), {Event.number: paging.number}
    ),
}


@statement(EventRow)
def _find(event_id: UUID) -> Query:
    return select(*Event.columns(EventRow)).where(Event.id == event_id)


_AGAIN: dict[str, Any] = {
    "state": "pending",
    "next_at": func.now(),
    "delivered_at": None,
    "attempts_before": Event.attempt,
}


@write
def _replay(event_id: UUID) -> UpdateBase:
    return update(Event).where(Event.id == event_id).values(**_AGAIN)


@write
def _replay_all(state: str, since: datetime) -> UpdateBase:
    return update(Event).where(Event.state == state, Event.created_at >= since).values(**_AGAIN)


_OLD = select(Event.id).limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)


@write
def _sweep(before: datetime) -> UpdateBase:
    old = _OLD.where(Event.state.in_(("kept", "delivered")), Event.created_at < before)
    return delete(Event).where(Event.id.in_(old.order_by(Event.created_at)))


@write
def _sweep_dead(before: datetime) -> UpdateBase:
    old = _OLD.where(Event.state == "dead", Event.created_at < before)
    return delete(Event).where(Event.id.in_(old.order_by(Event.number)))


@write
def _sweep_pending(before: datetime) -> UpdateBase:
    old = _OLD.where(_PENDING, Event.next_at < before)  # by when they were due, which has an index
    return delete(Event).where(Event.id.in_(old.order_by(Event.next_at)))
