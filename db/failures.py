"""What an error of the database means to the caller: come again, or a bug."""

from __future__ import annotations

from typing import NoReturn

from psycopg2 import errorcodes
from psycopg2.errorcodes import READ_ONLY_SQL_TRANSACTION
from sqlalchemy.exc import DBAPIError, TimeoutError

from db.bounded import UnansweredCommitError, UnansweredError
from errors import ApiError
from telemetry import metrics

UNCERTAIN = "Whether this was done is not known yet: repeat it, with the same Idempotency-Key"

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
    READ_ONLY_SQL_TRANSACTION,
    errorcodes.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
}


def raise_translated(error: TimeoutError | DBAPIError) -> NoReturn:
    """ApiError `service_unavailable` for temporary failures; others are bugs."""
    if isinstance(error, DBAPIError) and not (error.connection_invalidated or _is_transient(error)):
        raise error
    metrics.db_errors.add(_kind(error))
    if isinstance(getattr(error, "orig", None), UnansweredCommitError):
        raise ApiError("service_unavailable", UNCERTAIN, retry_after=5) from error
    raise ApiError("service_unavailable", retry_after=1) from error


def _kind(error: TimeoutError | DBAPIError) -> str:
    """For the operator: `57014` would not tell that a statement took too long."""
    if not isinstance(error, DBAPIError):
        return "no_free_connection"
    if isinstance(error.orig, UnansweredError):
        return "no_answer"
    code = getattr(error.orig, "pgcode", None)
    return "no_connection" if code is None else str(errorcodes.lookup(code)).lower()


def _is_transient(error: DBAPIError) -> bool:
    code = code_of(error)
    if code is None:  # no server answered: refused, reset or timed out
        return type(error).__name__ in ("OperationalError", "InterfaceError")
    return code in TRANSIENT


def code_of(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error; None when no server said one."""
    code: str | None = getattr(error.orig, "pgcode", None)
    return code
