"""Events as the bot reads them: all users', oldest first, each with its sequence number.

The column `number` cannot be it: two transactions that write at the same time commit in either
order, so a reader that has seen 6 would never see the 5 that is committed later. So an event gets
its sequence number only when it is seen to be committed, by whoever looks first (ADR 18).
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Select,
    UpdateBase,
    any_,
    case,
    column,
    exists,
    func,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Query, Reader, scalar, statement, write
from db.models import Data, Event, EventCursor
from db.rows import EventRow

PUBLISH_LOCK = 7_246_018  # any number; of PostgreSQL's advisory locks
AT_ONCE = 1000  # events published in one transaction
PASSED_OVER = 1_000_000  # more events than a restore can lose


class ResultFile(NamedTuple):
    """A stored file that an event names."""

    id: UUID
    storage_key: str
    content_type: str


def publish(session: Session) -> int:
    """Give committed events their sequence numbers, in the order of writing; returns how many.

    One transaction at a time: the second of two would not see what the first has published. It
    does not wait for the first, but leaves the work to it.
    """
    return _publish(session) if _is_mine(session) else 0


def newest(reader: Reader) -> int:
    """The sequence number of the newest event there is, 0 when there is none."""
    return _newest(reader) or 0


def last_sequence(reader: Reader) -> int:
    """The highest sequence number ever given; its event may be gone, or not be committed yet."""
    return _last_sequence(reader) or 0


def after(reader: Reader, sequence: int, *, limit: int) -> list[EventRow]:
    """Published events behind this sequence number, oldest first."""
    return _after.all(reader, sequence, limit)


def is_behind(reader: Reader) -> bool:
    """Whether events wait for their sequence number."""
    return bool(_is_behind(reader))


def confirmed(reader: Reader) -> int:
    """How far the bot has read, by what it gave as `after`."""
    return _confirmed(reader) or 0


def confirm(session: Session, sequence: int) -> None:
    """Remember that the bot has handled everything up to this sequence number; never goes back."""
    _confirm(session, sequence)


def pass_over(session: Session) -> None:
    """Leave sequence numbers out, so that the next events come behind all that a bot has read
    before a restore: it would take new events that have old numbers for those it knows.

    Alone, as to publish is: else two at once, or one and who publishes, set the numbers back.
    """
    session.execute(select(func.pg_advisory_xact_lock(PUBLISH_LOCK)))
    _pass_over(session)


def files(reader: Reader, events: list[EventRow]) -> dict[str, ResultFile]:
    """The stored files that events name, by dataId; without those that have been deleted."""
    named = [
        UUID(result["dataId"])
        for event in events
        for result in event.body.get("results", ())
        if "dataId" in result
    ]
    return {str(row.id): row for row in _files.all(reader, named)} if named else {}


_UNPUBLISHED = exists().where(Event.sequence.is_(None))


@scalar
def _is_behind() -> Select[bool]:
    return select(_UNPUBLISHED)


@scalar
def _is_mine() -> Select[bool]:
    # The lock is only asked for when there is something to do.
    return select(case((_UNPUBLISHED, func.pg_try_advisory_xact_lock(PUBLISH_LOCK))))


@write
def _publish() -> UpdateBase:
    waiting = (
        select(Event.id)
        .where(Event.sequence.is_(None))
        .order_by(Event.number)
        .limit(AT_ONCE)
        .subquery()
    )
    # As a CTE it is run once, row by row in its order; joined as a subquery, it might be run again.
    given = select(waiting.c.id, func.nextval("events_sequence").label("sequence")).cte("given")
    return update(Event).where(Event.id == given.c.id).values(sequence=given.c.sequence)


@scalar
def _newest() -> Select[int | None]:
    return select(func.max(Event.sequence))


@scalar
def _last_sequence() -> Select[int]:
    return select(column("last_value", BigInteger)).select_from(table("events_sequence"))


@scalar
def _pass_over() -> Select[int]:
    return select(func.setval("events_sequence", func.nextval("events_sequence") + PASSED_OVER))


@statement(EventRow)
def _after(sequence: int, rows: int) -> Query:
    return (
        select(*Event.columns(EventRow))
        .where(Event.sequence > sequence)
        .order_by(Event.sequence)
        .limit(rows)
    )


@scalar
def _confirmed() -> Select[int]:
    return select(EventCursor.sequence)


@write
def _confirm(sequence: int) -> UpdateBase:
    new = insert(EventCursor).values(sequence=sequence)
    return new.on_conflict_do_update(
        index_elements=["single"],
        set_={"sequence": new.excluded.sequence, "updated_at": func.now()},
        where=EventCursor.sequence < new.excluded.sequence,
    )


@statement(ResultFile)
def _files(data_ids: list[UUID]) -> Query:
    named: Any = data_ids  # a placeholder here
    return select(*Data.columns(ResultFile)).where(
        Data.id == any_(named), Data.status == "confirmed"
    )
