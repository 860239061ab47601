"""Commits that wait for a synchronous standby which is away (ADR 30)."""

from __future__ import annotations

import threading

from sqlalchemy import text

from db.statements import Reader
from errors import ApiError
from telemetry import metrics

# A COMMIT takes milliseconds; one that waits for longer than this waits for a standby that is away.
WAIT_SECONDS = 5
_WAIT = text(
    "SELECT extract(epoch FROM clock_timestamp() - min(query_start))::float"
    " FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)
# Set when a COMMIT got no answer: those that follow would wait, too, each with its thread and
# with a session of PostgreSQL that nothing ends before the standby is back.
hang = threading.Event()


def commit_wait_seconds(reader: Reader) -> float:
    """For how long PostgreSQL has waited for a standby to have some commit; 0 if it does not.

    Seen of the sessions of the own role, also of those that were given up: they stay until then.
    """
    return reader.scalar(_WAIT) or 0.0


def require(reader: Reader) -> None:
    """ApiError `service_unavailable` while some commit waits; else they do not hang any more."""
    if commit_wait_seconds(reader) > WAIT_SECONDS:
        metrics.db_errors.add("commits_wait")
        raise ApiError("service_unavailable", "Nothing can be written now", retry_after=5)
    hang.clear()
