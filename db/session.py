"""The only place that begins, commits and rolls back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg2 import errorcodes
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

import settings
from db import commits, connections
from db.bounded import SLACK_SECONDS
from db.failures import code_of, raise_translated
from errors import ApiError, database_in_use
from telemetry import tracing

# A person waits for a page of the console, and can ask for less.
PAGE_TIMEOUT = "2500ms"
_slots = threading.BoundedSemaphore(connections.TRANSACTIONS)
_DATABASE = {"db.system.name": "postgresql"}  # for traces
_AFTER_COMMIT = "after_commit"  # where a session keeps what is done after its COMMIT


def transaction() -> AbstractContextManager[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    ApiError `service_unavailable` when the database is down, busy or too slow. Connections that
    died with the server are detected on first use, and the whole pool is renewed. When a COMMIT got
    no answer, it is refused before it begins for as long as PostgreSQL waits for a standby.
    """
    return _transaction(connections.engine(), writes=True)


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
        with _in_use(span), connections.engine().connect() as connection:
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
    engine = connections.direct_engine(connections.direct_url()) if direct else connections.engine()
    with _transaction(engine) as session:
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
        with _transaction(connections.engine()) as session:
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
    with _transaction(connections.direct_engine(url)) as session:
        database = session.scalar(text("SELECT quote_ident(current_database())"))
        role = f"ALTER ROLE CURRENT_USER IN DATABASE {database}"
        for name, value in connections.SESSION.items():
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
    if not _slots.acquire(timeout=connections.POOL_TIMEOUT_SECONDS):
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


def _require_unbroken(connection: Connection) -> None:
    """RuntimeError when a statement failed and its error was suppressed: PostgreSQL would answer
    COMMIT with ROLLBACK, and neither the driver nor SQLAlchemy would report it.
    """
    driver: Any = connection.connection.driver_connection
    if driver.get_transaction_status() == TRANSACTION_STATUS_INERROR:
        raise RuntimeError("nothing was kept: a statement before COMMIT failed")
