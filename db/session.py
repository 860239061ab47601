"""Connections to PostgreSQL and the only place that begins, commits and rolls back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from typing import Any, NoReturn

import orjson
from psycopg2 import errorcodes
from psycopg2.errorcodes import READ_ONLY_SQL_TRANSACTION
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    delete,
    event,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

import settings
import tracing
from db import commits
from db.bounded import SLACK_SECONDS, UnansweredCommitError
from db.failures import code_of, raise_translated
from db.models import User
from db.servers import CONNECTION, dial, when_replaced
from errors import ApiError, database_in_use
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
# A person waits for a page of the console, and can ask for less.
PAGE_TIMEOUT = "2500ms"
# A PostgreSQL backend grows with the tables and statements it has seen.
RENEWED_AFTER_SECONDS = 1800
_slots = threading.BoundedSemaphore(TRANSACTIONS)
_DATABASE = {"db.system.name": "postgresql"}  # for traces
_AFTER_COMMIT = "after_commit"  # where a session keeps what is done after its COMMIT
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


def transaction() -> AbstractContextManager[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    ApiError `service_unavailable` when the database is down, busy or too slow. Connections that
    died with the server are detected on first use, and the whole pool is renewed. When a COMMIT got
    no answer, it is refused before it begins for as long as PostgreSQL waits for a standby.
    """
    return _transaction(engine(), writes=True)


def after_commit(session: Session, effect: Callable[[], None]) -> None:
    """Call `effect` when the transaction of this session is committed; once, however often it was
    asked for. It must neither wait nor fail.
    """
    session.info.setdefault(_AFTER_COMMIT, {})[effect] = None


def reading() -> AbstractContextManager[Connection]:
    """A connection for one or few SELECTs of columns, without BEGIN and COMMIT around them.

    No Session: its bookkeeping would be most of the cost of a short read. It must not write.
    """
    return _autocommitting("read")


def counting() -> AbstractContextManager[Connection]:
    """The same for a write of one statement that belongs to no transaction."""
    return _autocommitting("count")


@contextmanager
def _autocommitting(span: str) -> Iterator[Connection]:
    try:
        with _in_use(span), engine().connect() as connection:
            # The driver's own attribute sends nothing; SQLAlchemy's isolation_level sends a SET.
            driver: Any = connection.connection.driver_connection
            driver.autocommit = True
            try:
                yield connection
            finally:
                connection.rollback()  # of what SQLAlchemy believes to have begun: sends nothing
                if not driver.closed:
                    driver.autocommit = False
    except (TimeoutError, DBAPIError) as error:
        raise_translated(error)


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only snapshot without a time limit, for checks of whole tables.

    Past the pooler, which has few connections and may end what takes long.
    """
    direct = settings.load().database_direct_url
    with _transaction(direct_engine(direct_url()) if direct else engine()) as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        allow_seconds(session, 0)
        session.execute(text("SET LOCAL work_mem = '64MB'"))  # checks sort and join whole tables
        yield session


def allow_seconds(session: Session, seconds: int) -> None:
    """Let each further statement of this transaction take longer than a request's; 0: any time."""
    session.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))
    driver: Any = session.connection().connection.driver_connection
    driver.answer_seconds = seconds + SLACK_SECONDS if seconds else float("inf")


class TooMuchError(Exception):
    """A page asked for more than the database finds in PAGE_TIMEOUT."""


@contextmanager
def browsing() -> Iterator[Session]:
    """One moment of the tables for a page of the console, read-only.

    TooMuchError when a statement takes longer than PAGE_TIMEOUT, ApiError `service_unavailable`
    when the database is away.
    """
    try:
        with _transaction(engine()) as session:
            # Two statements, one way to the server and back.
            read_only = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
            session.execute(text(f"{read_only}; SET LOCAL statement_timeout = '{PAGE_TIMEOUT}'"))
            yield session
    except ApiError as refusal:
        cause = refusal.__cause__
        if isinstance(cause, DBAPIError) and code_of(cause) == errorcodes.QUERY_CANCELED:
            raise TooMuchError from refusal
        raise


def set_limits(url: str) -> None:
    """Give the role of this URL, in this database, the limits that a pooler does not pass on.

    New sessions have them.
    """
    with _transaction(direct_engine(url)) as session:
        database = session.scalar(text("SELECT quote_ident(current_database())"))
        role = f"ALTER ROLE CURRENT_USER IN DATABASE {database}"
        for name, value in SESSION.items():
            session.execute(text(f"{role} SET {name} = '{value}'"))


@contextmanager
def _transaction(engine: Engine, *, writes: bool = False) -> Iterator[Session]:
    """See transaction(). writes: refused while no commit is answered."""
    try:
        with (
            _in_use("transaction"),
            _slot(),
            Session(engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            if writes:
                _require_answered_commits()
            yield session
            session.flush()
            _require_unbroken(session.connection())
    except (TimeoutError, DBAPIError) as error:
        raise_translated(error)
    for effect in session.info.get(_AFTER_COMMIT, ()):
        effect()


@contextmanager
def _slot() -> Iterator[None]:
    """One of TRANSACTIONS. TimeoutError when none becomes free in POOL_TIMEOUT_SECONDS."""
    if not _slots.acquire(timeout=POOL_TIMEOUT_SECONDS):
        raise TimeoutError("as many transactions as there may be are under way")
    try:
        yield
    finally:
        _slots.release()


def _require_answered_commits() -> None:
    """ApiError `service_unavailable` while a COMMIT would hang, as the last one did."""
    if commits.hang.is_set():
        with reading() as reader:
            commits.require(reader)


@contextmanager
def _in_use(span: str) -> Iterator[None]:
    """Whoever calls the outside meanwhile is found by the tests: see providers.outside."""
    before = database_in_use.get()
    database_in_use.set(True)
    try:
        with tracing.inner(span, _DATABASE, client=True):
            yield
    finally:
        database_in_use.set(before)


def _require_limits(connection: Any, record: object) -> None:
    """An alarm when there are none: a statement could then hold a thread for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        if cursor.fetchone() == ("0",):
            log.error("sessions of this role have no time limits: run `python cli.py migrate`")
    connection.rollback()


def _require_unbroken(connection: Connection) -> None:
    """RuntimeError when a statement failed and its error was suppressed: PostgreSQL would answer
    COMMIT with ROLLBACK, and neither the driver nor SQLAlchemy would report it.
    """
    driver: Any = connection.connection.driver_connection
    if driver.get_transaction_status() == TRANSACTION_STATUS_INERROR:
        raise RuntimeError("nothing was kept: a statement before COMMIT failed")
