"""Connections on which no answer is waited for without end, whatever PostgreSQL does.

It ends a statement by its own limit. It does not end a COMMIT that waits for a synchronous standby,
and a frozen server ends nothing; neither does TCP, as long as a kernel answers.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import psycopg2
from psycopg2 import extensions

# More than a statement may take by its own limit of 5 s: PostgreSQL is to be the one to end it.
SLACK_SECONDS = 1.0
ANSWER_SECONDS = 5 + SLACK_SECONDS
LOOK_SECONDS = 0.5


class UnansweredError(psycopg2.OperationalError):
    """No answer came in time, and the connection was given up."""


class UnansweredCommitError(UnansweredError):
    """Whether the transaction is kept is unknown: PostgreSQL may still be at it."""


class BoundedConnection(extensions.connection):
    """Waits for each answer for `answer_seconds`, then ends the connection: see _Watch.

    answer_seconds: may be set for a transaction, and is what it was for its COMMIT.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answer_seconds = ANSWER_SECONDS
        self.cursor_factory = BoundedCursor
        self.watch = _watch()

    def commit(self) -> None:
        """UnansweredCommitError when no answer comes."""
        self.answer_seconds = ANSWER_SECONDS
        self.watch.bound(self, UnansweredCommitError, super().commit)

    def rollback(self) -> None:
        """UnansweredError when no answer comes."""
        self.answer_seconds = ANSWER_SECONDS
        self.watch.bound(self, UnansweredError, super().rollback)


class BoundedCursor(extensions.cursor):
    """Of a BoundedConnection."""

    connection: BoundedConnection

    def execute(self, *arguments: Any) -> None:
        """UnansweredError when no answer comes."""
        connection = self.connection
        connection.watch.bound(connection, UnansweredError, super().execute, *arguments)

    def executemany(self, *arguments: Any) -> None:
        """UnansweredError when no answer comes."""
        connection = self.connection
        connection.watch.bound(connection, UnansweredError, super().executemany, *arguments)


class _Watch:
    """Shuts the sockets of connections that have waited for too long, from a thread of its own.

    psycopg2 waits in C, where neither a signal nor another thread reaches it; but it sees the end
    of its socket. A COMMIT must not be cancelled instead: PostgreSQL would then answer that it was
    done, with a mere warning that no standby has it.
    """

    def __init__(self) -> None:
        self._waits: dict[BoundedConnection, tuple[float, int]] = {}
        # Whoever has it may use a socket by its number: nobody closes it meanwhile.
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="answers", daemon=True).start()

    def bound(
        self,
        connection: BoundedConnection,
        unanswered: type[UnansweredError],
        call: Callable[..., Any],
        *arguments: Any,
    ) -> None:
        """Call it; `unanswered` when it was given up."""
        self._waits[connection] = (time.monotonic(), connection.fileno())
        try:
            call(*arguments)
        except psycopg2.Error as error:
            if connection not in self._waits:
                seconds = connection.answer_seconds
                raise unanswered(f"no answer within {seconds:.0f} s") from error
            raise
        finally:
            with self._lock:
                self._waits.pop(connection, None)

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            for connection, wait in list(self._waits.items()):
                if time.monotonic() - wait[0] > connection.answer_seconds:
                    self._give_up(connection, wait)

    def _give_up(self, connection: BoundedConnection, wait: tuple[float, int]) -> None:
        with self._lock:
            if self._waits.get(connection) is not wait:
                return  # the answer has come
            del self._waits[connection]
            with socket.socket(fileno=os.dup(wait[1])) as its:
                its.shutdown(socket.SHUT_RDWR)


# The thread stays behind at a fork; a child begins with one of its own.
_watch = cache(_Watch)
os.register_at_fork(after_in_child=_watch.cache_clear)
