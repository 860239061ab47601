"""Counts of rate limits that all processes of all hosts share."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Delete, case, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Query, statement, write
from db.models import RateWindow
from db.rows.hosts import CountedRow


def count(connection: Connection, key: UUID, *, seconds: int) -> CountedRow:
    """Count one more time in the window of `key`, or in a new one of so many seconds if it has
    ended.

    One statement, which locks the row: of two at once, on whatever host, each is counted. The clock
    is the database's, as those of hosts differ.
    """
    return _count.one(connection, key, timedelta(seconds=seconds))


def sweep(session: Session) -> int:
    """Forget windows that have ended; how many."""
    return _sweep(session)


@statement(CountedRow)
def _count(key: UUID, length: timedelta) -> Query:
    new = insert(RateWindow).values(key=key, used=1, ends_at=func.now() + length)
    ended = RateWindow.ends_at <= func.now()
    counted = new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "used": case((ended, 1), else_=RateWindow.used + 1),
            "ends_at": case((ended, new.excluded.ends_at), else_=RateWindow.ends_at),
        },
    )
    return counted.returning(RateWindow.used, (RateWindow.ends_at - func.now()).label("ends_in"))


@write
def _sweep() -> Delete:
    return delete(RateWindow).where(RateWindow.ends_at <= func.now())
