"""How PostgreSQL itself is: versions, clock, limits of a session, connections, standbys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Double, Integer, cast, column, func, select, table

from db import Query, Reader, statement


class DatabaseState(NamedTuple):
    """What a session sees of its server. version: 180006 for 18.6."""

    version: int
    clock: datetime
    archive_mode: str
    statement_timeout: str
    lock_timeout: str
    idle_in_transaction_session_timeout: str
    synchronous_standby_names: str
    connections: int
    max_connections: int

    @property
    def limits(self) -> dict[str, str]:
        """The limits of this session, by their names in PostgreSQL."""
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return {name: getattr(self, name) for name in names}


class Standby(NamedTuple):
    """One that follows. lag_seconds: None while nothing is written, or where it may not be seen."""

    application_name: str
    state: str | None
    sync_state: str | None
    lag_seconds: float | None


def read(reader: Reader) -> DatabaseState:
    """The server of this connection."""
    return _read.one(reader)


def standbys(reader: Reader) -> list[Standby]:
    """Those of this server."""
    return _standbys.all(reader)


def _setting(name: str) -> Any:
    return func.current_setting(name).label(name)


@statement(DatabaseState)
def _read() -> Query:
    # Whose sessions they are may not be seen by our role, how many there are may.
    activity = table("pg_stat_activity", column("datid"))
    count = select(func.count(activity.c.datid)).scalar_subquery()
    return select(
        cast(func.current_setting("server_version_num"), Integer).label("version"),
        func.clock_timestamp().label("clock"),
        _setting("archive_mode"),
        _setting("statement_timeout"),
        _setting("lock_timeout"),
        _setting("idle_in_transaction_session_timeout"),
        _setting("synchronous_standby_names"),
        count.label("connections"),
        cast(func.current_setting("max_connections"), Integer).label("max_connections"),
    )


@statement(Standby)
def _standbys() -> Query:
    names = ("application_name", "state", "sync_state", "replay_lag")
    seen = table("pg_stat_replication", *map(column, names))
    lag = cast(func.extract("epoch", seen.c.replay_lag), Double).label("lag_seconds")
    return select(seen.c.application_name, seen.c.state, seen.c.sync_state, lag)
