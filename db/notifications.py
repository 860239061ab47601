"""NOTIFY and LISTEN: a worker waiting for jobs learns of one when its transaction commits.

A notification only ends a wait early, so a lost one costs a polling delay, not a job.
"""

from __future__ import annotations

import select
import threading
import time
from typing import Any

import psycopg2
from sqlalchemy import text
from sqlalchemy.orm import Session

from db.session import CONNECTION, direct_url

JOB_CHANNEL = "jobs_queued"


def announce(session: Session) -> None:
    """Wake a waiting worker when this transaction commits."""
    session.execute(_NOTIFY)


class Listener:
    """Waits for notifications on its own connection; without one, it just waits."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def wait(self, seconds: float, stopping: threading.Event) -> None:
        """Return after a notification, `seconds`, or a stop, whichever is first."""
        try:
            connection = self._connection or self._listen()
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not stopping.is_set():
                select.select([connection], [], [], 0.2)
                connection.poll()
                if connection.notifies:
                    connection.notifies.clear()
                    return
        except psycopg2.Error:
            self._close()
            stopping.wait(seconds)

    def _listen(self) -> Any:
        # psycopg2 does not understand the URL prefix by which SQLAlchemy selects it.
        url = direct_url().replace("postgresql+psycopg2://", "postgresql://", 1)
        self._connection = psycopg2.connect(url, **CONNECTION)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {JOB_CHANNEL}")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_NOTIFY = text(f"NOTIFY {JOB_CHANNEL}")
