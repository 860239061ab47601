"""Connections to PostgreSQL and the only place that begins, commits and rolls back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

import orjson
from psycopg2 import errorcodes
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

import settings
from db.batching import BatchingConnection
from db.connections import RENEWED_AFTER_SECONDS, Connections
from db.statements import connection_of, driver_of
from errors import ApiError

STATEMENT_TIMEOUT_SECONDS = 5
LOCK_TIMEOUT_SECONDS = 2
POOL_TIMEOUT_SECONDS = 2
# In STATE_DIR; written and deleted by whoever runs a database there.
URL_FILE = "database.url"

# Temporary failures: the caller may send the same request again.
TRANSIENT = {
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.QUERY_CANCELED,
    errorcodes.ADMIN_SHUTDOWN,
    errorcodes.CRASH_SHUTDOWN,
    errorcodes.CANNOT_CONNECT_NOW,
    errorcodes.TOO_MANY_CONNECTIONS,
    errorcodes.DISK_FULL,
    errorcodes.READ_ONLY_SQL_TRANSACTION,
    errorcodes.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
}


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


def in_psycopg2(url: str) -> str:
    """A PostgreSQL URL for the driver we have: SQLAlchemy 2.1 takes a bare one for psycopg 3."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url


def connect(url: str, *, pool_size: int) -> Engine:
    """An engine whose every wait is bounded: connect, checkout, lock, statement, idle."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_recycle=RENEWED_AFTER_SECONDS,
        pool_use_lifo=True,
        use_native_hstore=False,  # there is none, and each new connection would query it
        hide_parameters=True,  # a logged error must not contain names, links or amounts
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "connection_factory": BatchingConnection,
            "connect_timeout": 3,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "application_name": "livephoto",
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s"
            f" -c lock_timeout={LOCK_TIMEOUT_SECONDS}s"
            " -c idle_in_transaction_session_timeout=10s -c timezone=UTC",
        },
    )
    event.listen(engine, "handle_error", _renew_after_migration)
    return engine


@cache
def connections() -> Connections:
    """Those of this process, created on first use and so after gunicorn's fork.

    One for each thread that uses the database, so that none ever waits for another's.
    """
    threads = settings.load().server_threads + settings.QUICK_THREADS + settings.WEBHOOK_THREADS
    return Connections(connect(database_url(), pool_size=threads))


def engine() -> Engine:
    """The engine of this process."""
    return connections().engine


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    ApiError `service_unavailable` when the database is down, busy or too slow. Connections that
    died with the server are detected on first use, and the whole pool is renewed.
    """
    try:
        with connections().one() as connection, connection.begin():
            session = Session(connection, expire_on_commit=False)
            try:
                yield session
                session.flush()
            finally:
                if session.in_transaction():  # the ORM session was used in this transaction
                    session.close()
    except (TimeoutError, DBAPIError) as error:
        _raise_translated(error)


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection for one or few SELECTs of columns, without BEGIN and COMMIT around them.

    No Session: its bookkeeping would be most of the cost of a short read. It must not write.
    """
    try:
        with connections().one() as connection:
            driver = driver_of(connection)
            driver.reading = True
            try:
                yield connection
            finally:
                driver.reading = False
                if connection.in_transaction():  # SQLAlchemy began one implicitly
                    connection.rollback()
    except (TimeoutError, DBAPIError) as error:
        _raise_translated(error)


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only snapshot without a time limit, for checks of whole tables."""
    with transaction() as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL work_mem = '64MB'"))  # checks sort and join whole tables
        yield session


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """If the block refuses with ApiError, what it wrote is undone, and nothing else.

    It costs no round trip: its commands are sent with other statements.
    """
    driver = driver_of(connection_of(session))
    driver.defer(b"SAVEPOINT block")
    try:
        yield
        session.flush()
    except ApiError:
        session.expunge_all()
        driver.defer(b"ROLLBACK TO SAVEPOINT block")
        raise
    driver.defer(b"RELEASE SAVEPOINT block")


def _renew_after_migration(context: ExceptionContext) -> None:
    """A prepared statement is useless once a migration changed its columns' types: give up the
    connections that have it, as after a restart of the server.
    """
    if "cached plan must not change result type" in str(context.original_exception):
        context.is_disconnect = True


def _raise_translated(error: TimeoutError | DBAPIError) -> NoReturn:
    """ApiError `service_unavailable` for temporary failures; others are bugs."""
    if isinstance(error, DBAPIError) and not (error.connection_invalidated or _is_transient(error)):
        raise error
    raise ApiError("service_unavailable", retry_after=1) from error


def _is_transient(error: DBAPIError) -> bool:
    code = getattr(error.orig, "pgcode", None)
    if code is None:  # no server answered: refused, reset or timed out
        return type(error).__name__ in ("OperationalError", "InterfaceError")
    return code in TRANSIENT
