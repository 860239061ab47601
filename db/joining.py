"""psycopg2 with fewer round trips: what nobody waits for travels with what follows it.

BEGIN goes with the first statement of a transaction, a write without a result with the next
statement, and the last writes with COMMIT: in one message, which PostgreSQL works through in order
and abandons at the first error.
"""

from __future__ import annotations

from typing import Any

from psycopg2.errors import InFailedSqlTransaction
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor


class JoiningConnection(connection):
    """Every statement begins a transaction, unless `reading`; commit() and rollback() end it.

    To psycopg2 it is in autocommit, so that it sends no BEGIN of its own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.autocommit = True
        self.cursor_factory = JoiningCursor
        self.reading = False
        self._waiting: list[bytes] = []
        self._prepared: set[str] = set()

    def prepare(self, name: str, preparation: str) -> None:
        """Have the server prepare a statement, unless this connection has it already.

        In a journey of its own, so that an error of another statement leaves no doubt about it.
        """
        if name not in self._prepared:
            cursor(self).execute(preparation)
            self._prepared.add(name)

    def later(self, statement: bytes) -> None:
        """Send `statement` with the next one or with COMMIT; its errors are raised by that."""
        self._waiting.append(statement)

    def departing(self) -> list[bytes]:
        """What must be sent before a statement that leaves now."""
        before = [] if self.reading or self._is_open() else [b"BEGIN"]
        before += self._waiting
        self._waiting.clear()
        return before

    def commit(self) -> None:
        """Send what waits and end the transaction; without one nothing is sent.

        InFailedSqlTransaction when a statement had failed and its error was not let through: to
        COMMIT the server then answers ROLLBACK, without an error, and nothing is kept.
        """
        if not self._waiting and not self._is_open():
            return
        if self._send([*self.departing(), b"COMMIT"]) != "COMMIT":
            raise InFailedSqlTransaction("nothing was kept: a statement before COMMIT failed")

    def rollback(self) -> None:
        """End the transaction without effect; without one nothing is sent."""
        self._waiting.clear()
        if self._is_open():
            self._send([b"ROLLBACK"])

    def _send(self, statements: list[bytes]) -> str:
        """What the server says of the last of them."""
        sent = cursor(self)
        sent.execute(b";".join(statements))
        return sent.statusmessage or ""

    def _is_open(self) -> bool:
        return self.get_transaction_status() != TRANSACTION_STATUS_IDLE


class JoiningCursor(cursor):
    """Sends what its connection holds back together with its own statement."""

    connection: JoiningConnection

    def execute(self, query: Any, vars: Any = None) -> None:
        """Run `query`; the result is that of `query` alone."""
        if before := self.connection.departing():
            super().execute(b";".join([*before, self.mogrify(query, vars)]))
        else:
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """psycopg2's own would go past execute() and so past BEGIN."""
        for each in vars_list:
            self.execute(query, each)
