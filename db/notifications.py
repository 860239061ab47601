"""NOTIFY and LISTEN: a worker waiting for jobs learns of one once its transaction is committed.

A notification only ends a wait early, so a lost one costs a polling delay, not a job. It is never
sent within a transaction that does something else: PostgreSQL lets commits with a NOTIFY take
turns, each until it is flushed and a synchronous standby has it.
"""

from __future__ import annotations

import atexit
import logging
import os
import select
import threading
import time
from functools import cache
from random import Random
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn
from sqlalchemy.orm import Session

from db.connections import direct_url
from db.servers import CONNECTION, dial
from db.session import after_commit, reading
from settings.databases import plain

log = logging.getLogger(__name__)

JOB_CHANNEL = "jobs_queued"
PAUSE_SECONDS = 0.25  # between two notifications of a process
# A notification wakes all workers that wait, and most of them in vain. They look one after the
# other, so that the first has taken the job before most of the others ask for it.
SPREAD_SECONDS, LONGEST_SPREAD_SECONDS = 0.005, 0.2  # for each worker; for all together
COUNT_SECONDS = 2
LISTENER = "livephoto worker"  # by which they count each other
# Nobody waits for the standby that would have to know of a notification.
NOTIFY = f"SET LOCAL synchronous_commit = off; NOTIFY {JOB_CHANNEL}"


def announce(session: Session) -> None:
    """Wake the waiting workers when this transaction is committed."""
    after_commit(session, _announcer().wake)


class _Announcer:
    """Sends what this process has to tell, in a thread of its own: the first notification at once,
    those of the next PAUSE_SECONDS as one.
    """

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._sending = threading.Lock()
        threading.Thread(target=self._run, name="announcer", daemon=True).start()

    def wake(self) -> None:
        """Send a notification soon."""
        self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait():
            self.send()
            time.sleep(PAUSE_SECONDS)

    def send(self) -> None:
        """Send the notification that is wanted, if any; wait for one that is on its way."""
        with self._sending:
            if not self._wanted.is_set():
                return
            self._wanted.clear()
            try:
                with reading() as connection:  # a message of its own, without BEGIN and COMMIT
                    connection.exec_driver_sql(NOTIFY)
            except Exception as error:  # the workers look by themselves
                log.warning("workers were not told of new jobs: %s", type(error).__name__)


# The thread stays behind at a fork; a child begins with one of its own.
_announcer = cache(_Announcer)
os.register_at_fork(after_in_child=_announcer.cache_clear)


@atexit.register
def _send_the_last() -> None:
    """A command ends sooner than its thread has sent the notification."""
    if _announcer.cache_info().currsize:
        _announcer().send()


class Listener:
    """Waits for notifications on its own connection; without one, it just waits.

    look: a SELECT that tells whether there is a job. To plan it costs the database most of what a
    claim in vain does, so it is prepared, in this session that no pooler shares.
    """

    def __init__(self, look: str, chance: Random | None = None) -> None:
        self._look = look
        self._chance = chance or Random()  # noqa: S311 pace, no secret
        self._connection: Any = None
        self._others = 0
        self._count_at = 0.0

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def wait(self, seconds: float, stopping: threading.Event) -> bool:
        """Return when there is a job after a notification, after `seconds`, or at a stop, whichever
        is first; whether there may be a job. Of many workers some look a moment later.
        """
        try:
            connection = self._connection or self._listen()
            self._count()
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not stopping.is_set():
                select.select([connection], [], [], 0.2)
                connection.poll()
                if connection.notifies:
                    stopping.wait(self._pause())
                    connection.poll()  # what came meanwhile is looked for, too
                    connection.notifies.clear()
                    if self._is_due():
                        return True
            return self._is_due()
        except psycopg2.Error:
            self._close()
            stopping.wait(seconds)
            return True

    def _is_due(self) -> bool:
        with self._connection.cursor() as cursor:
            cursor.execute("EXECUTE look")
            return bool(cursor.fetchone()[0])

    def _pause(self) -> float:
        spread = min(self._others * SPREAD_SECONDS, LONGEST_SPREAD_SECONDS)
        return self._chance.uniform(0, spread)

    def _listen(self) -> Any:
        address = parse_dsn(plain(direct_url()))
        self._connection = dial({**address, **CONNECTION, "application_name": LISTENER})
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {JOB_CHANNEL}")
            cursor.execute(f"PREPARE look AS {self._look}; PREPARE workers AS {_WORKERS}")
        self._count_at = 0.0
        return self._connection

    def _count(self) -> None:
        """Learn now and then how many workers are woken with this one."""
        if time.monotonic() < self._count_at:
            return
        self._count_at = time.monotonic() + COUNT_SECONDS
        with self._connection.cursor() as cursor:
            cursor.execute("EXECUTE workers")
            self._others = cursor.fetchone()[0] - 1

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_WORKERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database()
AND application_name = current_setting('application_name')
"""
