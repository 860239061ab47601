"""Events as the bot reads them: all users', oldest first, each with its place in that order.

`number` cannot be that place: two transactions that write at the same time commit in either order,
so a reader that has seen 6 would never see the 5 that is committed later. So a place is given to an
event only when it is seen to be committed, by whoever looks first (ADR 18).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    Uuid,
    any_,
    bindparam,
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

from db import Reader, Record, Statement
from db.models import Data, Event, EventCursor

PUBLISH_LOCK = 7_246_018  # any number; of PostgreSQL's advisory locks
AT_ONCE = 1000  # events published in one transaction


def publish(session: Session) -> int:
    """Give committed events their place in the feed, in the order of writing; returns how many.

    One transaction at a time: the second of two would not see what the first has published. It
    does not wait for the first, but leaves the work to it.
    """
    if not _IS_MINE.scalar(session):
        return 0
    return _PUBLISH.run(session)


def newest(reader: Reader) -> int:
    """The place of the newest event there is, 0 when there is none."""
    place: int | None = _NEWEST.scalar(reader)
    return place or 0


def last_place(reader: Reader) -> int:
    """The highest place ever given; its event may be gone, or not be committed yet."""
    place: int = _LAST_PLACE.scalar(reader)
    return place


def after(reader: Reader, sequence: int, *, limit: int) -> list[Record]:
    """Published events behind this place, oldest first."""
    return _AFTER.all(reader, after=sequence, rows=limit)


def is_behind(reader: Reader) -> bool:
    """Whether events wait for their place."""
    return bool(_UNPUBLISHED.scalar(reader))


def confirmed(reader: Reader) -> int:
    """How far the bot has read, by what it gave as `after`."""
    place: int | None = _CONFIRMED.scalar(reader)
    return place or 0


def confirm(session: Session, sequence: int) -> None:
    """Remember that the bot has handled everything up to this place; never goes back."""
    _CONFIRM.run(session, place=sequence)


def files(reader: Reader, events: list[Record]) -> dict[str, Record]:
    """The stored files that events name, by dataId; without those that have been deleted."""
    named = [
        UUID(result["dataId"])
        for event in events
        for result in event.body.get("results", ())
        if "dataId" in result
    ]
    return {str(row.id): row for row in _FILES.all(reader, data_ids=named)} if named else {}


_TABLE: Any = Event.__table__
_UNPUBLISHED_ROWS = exists().where(Event.sequence.is_(None))
_UNPUBLISHED = Statement(select(_UNPUBLISHED_ROWS))
# The lock is only asked for when there is something to do.
_IS_MINE = Statement(
    select(case((_UNPUBLISHED_ROWS, func.pg_try_advisory_xact_lock(PUBLISH_LOCK))))
)
_WAITING = (
    select(Event.id)
    .where(Event.sequence.is_(None))
    .order_by(Event.number)
    .limit(AT_ONCE)
    .subquery()
)
# As a CTE it is run once, row by row in its order; joined as a subquery, it might be run again.
_PLACES = select(_WAITING.c.id, func.nextval("events_sequence").label("place")).cte("places")
_PUBLISH = Statement(
    update(_TABLE).where(_TABLE.c.id == _PLACES.c.id).values(sequence=_PLACES.c.place)
)
_NEWEST = Statement(select(func.max(Event.sequence)))
_LAST_PLACE = Statement(
    select(column("last_value", BigInteger)).select_from(table("events_sequence"))
)
_AFTER = Statement(
    select(*Event.columns())
    .where(Event.sequence > bindparam("after", type_=BigInteger))
    .order_by(Event.sequence)
    .limit(bindparam("rows", type_=Integer))
)
_CONFIRMED = Statement(select(EventCursor.sequence))
_CURSOR: Any = EventCursor.__table__
_NEW = insert(_CURSOR).values(sequence=bindparam("place", type_=BigInteger))
_CONFIRM = Statement(
    _NEW.on_conflict_do_update(
        index_elements=["single"],
        set_={"sequence": _NEW.excluded.sequence, "updated_at": func.now()},
        where=_CURSOR.c.sequence < _NEW.excluded.sequence,
    )
)
_FILES = Statement(
    select(Data.id, Data.storage_key, Data.content_type).where(
        Data.id == any_(bindparam("data_ids", type_=ARRAY(Uuid))), Data.status == "confirmed"
    )
)
