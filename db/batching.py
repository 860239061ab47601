"""psycopg2 with fewer round trips: a statement whose result is not needed is sent with the next.

BEGIN is sent with the first statement of a transaction, a write without a result with the next
statement, and the last writes with COMMIT: in one message, which PostgreSQL processes in order
and abandons at the first error.
"""

from __future__ import annotations

from typing import Any

from psycopg2.errors import InFailedSqlTransaction
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor


class BatchingConnection(connection):
    """Every statement begins a transaction, unless `reading`; commit() and rollback() end it.

    psycopg2 sees it as autocommit and so sends no BEGIN of its own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.autocommit = True
        self.cursor_factory = BatchingCursor
        self.reading = False
        self._pending: list[bytes] = []
        self._prepared: set[str] = set()

    def prepare(self, name: str, preparation: str) -> None:
        """Have the server prepare a statement, unless this connection already has it.

        In its own round trip: if sent with another statement that fails, it would be unknown
        whether PREPARE ran.
        """
        if name not in self._prepared:
            cursor(self).execute(preparation)
            self._prepared.add(name)

    def defer(self, statement: bytes) -> None:
        """Send `statement` with the next one or with COMMIT, which then raises its errors."""
        self._pending.append(statement)

    def take_pending(self) -> list[bytes]:
        """What must be sent before a statement that is sent now."""
        before = [] if self.reading or self._is_open() else [b"BEGIN"]
        before += self._pending
        self._pending.clear()
        return before

    def commit(self) -> None:
        """Send what is pending and end the transaction; without one nothing is sent.

        InFailedSqlTransaction when a statement had failed and its error was suppressed: the server
        then answers COMMIT with ROLLBACK, without an error, and nothing is kept.
        """
        if not self._pending and not self._is_open():
            return
        if self._send([*self.take_pending(), b"COMMIT"]) != "COMMIT":
            raise InFailedSqlTransaction("nothing was kept: a statement before COMMIT failed")

    def rollback(self) -> None:
        """End the transaction without effect; without one nothing is sent."""
        self._pending.clear()
        if self._is_open():
            self._send([b"ROLLBACK"])

    def _send(self, statements: list[bytes]) -> str:
        """The server's status message for the last of them."""
        sent = cursor(self)
        sent.execute(b";".join(statements))
        return sent.statusmessage or ""

    def _is_open(self) -> bool:
        return self.get_transaction_status() != TRANSACTION_STATUS_IDLE


class BatchingCursor(cursor):
    """Sends its connection's pending statements together with its own."""

    connection: BatchingConnection

    def execute(self, query: Any, vars: Any = None) -> None:
        """Run `query`; the result is of `query` alone."""
        if before := self.connection.take_pending():
            super().execute(b";".join([*before, self.mogrify(query, vars)]))
        else:
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """psycopg2's own version would bypass execute() and so BEGIN."""
        for each in vars_list:
            self.execute(query, each)
