"""Where PostgreSQL is; connections to it, their limits, and how many a process has."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn

import orjson
from psycopg2.errorcodes import READ_ONLY_SQL_TRANSACTION
from sqlalchemy import Engine, ExceptionContext, create_engine, delete, event, update
from sqlalchemy.orm import Session

import settings
from db import commits
from db.bounded import UnansweredCommitError
from db.models import User
from db.servers import CONNECTION, dial, when_replaced
from settings.databases import in_psycopg2

log = logging.getLogger(__name__)

# What each session has: by options of its connection, or by its role, see set_limits().
SESSION = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
}
POOL_TIMEOUT_SECONDS = 2
# Of a process. A thread has a connection only for as long as it uses it, and with more transactions
# at a time no more orders come through (ADR 31). Reads find theirs while all of these wait: for a
# lock, or for a standby that is away.
TRANSACTIONS, READS = 8, 4
CONNECTIONS = TRANSACTIONS + READS
_OVERFLOW = 2  # of these are not kept
# A PostgreSQL backend grows with the tables and statements it has seen.
RENEWED_AFTER_SECONDS = 1800
# In STATE_DIR; written and deleted by whoever runs a database there.
URL_FILE = "database.url"


def database_url() -> str:
    """DATABASE_URL, or what `make run` wrote into STATE_DIR for as long as it runs.

    RuntimeError when there is neither.
    """
    current = settings.load()
    note = current.state_dir / URL_FILE
    if current.database_url:
        return in_psycopg2(current.database_url)
    if note.exists():
        return in_psycopg2(note.read_text())
    raise RuntimeError(
        "No database: set DATABASE_URL, or start the embedded PostgreSQL with `make run`"
    )


def direct_url() -> str:
    """PostgreSQL itself, for what needs a session of its own: LISTEN, locks of migrations, checks
    that take minutes.
    """
    return in_psycopg2(settings.load().database_direct_url or database_url())


class _NoConnectionError(Exception):
    """Where no connection is wanted."""


def _prepare_updates() -> None:
    """Let SQLAlchemy make its classes for UPDATE and DELETE of models, while there is one thread.

    It makes them at the first such statement, and shows them to other threads half-made: one that
    came at the wrong moment had every later statement of this process compiled anew.
    """

    def refuse() -> NoReturn:
        raise _NoConnectionError

    nowhere = create_engine("postgresql+psycopg2://", creator=refuse)
    for statement in (update(User).values(username=None), delete(User)):
        with Session(nowhere) as session, suppress(_NoConnectionError):
            session.execute(statement)


_prepare_updates()


def connect(url: str, *, pool_size: int, pooler: bool = False) -> Engine:
    """An engine whose every wait is bounded: connect, checkout, lock, statement, idle.

    pooler: the URL leads to one. It refuses options, so its sessions have the limits of their role.
    """
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_recycle=RENEWED_AFTER_SECONDS,
        pool_use_lifo=True,
        use_native_hstore=False,  # there is none, and each new connection would query it
        hide_parameters=True,  # a logged error must not contain names, links or amounts
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args=CONNECTION if pooler else CONNECTION | {"options": options},
    )
    # Whoever takes the URL's parameters gets its connections by them: SQLAlchemy's own listener.
    event.listen(engine, "do_connect", lambda dialect, record, positional, named: dial(named))
    event.listen(engine, "handle_error", _judge)
    when_replaced(engine.dispose)
    if pooler:
        event.listen(engine, "first_connect", _require_limits)
    return engine


def _judge(context: ExceptionContext) -> None:
    """What an error tells of the other connections: a server that takes no writes any more, as
    after a switchover, is left by all; a COMMIT that hangs says nothing about reading.
    """
    original = context.original_exception
    if getattr(original, "pgcode", None) == READ_ONLY_SQL_TRANSACTION:
        context.is_disconnect = True
    if isinstance(original, UnansweredCommitError):
        context.invalidate_pool_on_disconnect = False
        commits.hang.set()


@cache
def engine() -> Engine:
    """The engine of this process. It may be created before a fork, but not used before it."""
    current = settings.load()
    size = CONNECTIONS - _OVERFLOW
    if current.rate_limit_store == "database":
        size += settings.LIMIT_THREADS
    return connect(database_url(), pool_size=size, pooler=bool(current.database_direct_url))


def close_connections() -> None:
    """Close those of this process, as before a fork."""
    if engine.cache_info().currsize:
        engine().dispose()


@cache
def direct_engine(url: str) -> Engine:
    """Of this process, past the pooler; see direct_url()."""
    return connect(url, pool_size=1)


def _require_limits(connection: Any, record: object) -> None:
    """An alarm when there are none: a statement could then hold a thread for ever."""
    connection.autocommit = True  # nothing is left open
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        if cursor.fetchone() == ("0",):
            log.error("sessions of this role have no time limits: run `python cli.py migrate`")
    connection.autocommit = False
