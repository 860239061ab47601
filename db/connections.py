"""Connections between two uses.

A checkout from SQLAlchemy's pool makes three objects and takes two locks, which is a tenth of what
a short read costs. What the pool is for is trouble, and it still gets every connection that has met
some.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, ExceptionContext, event

# A backend of PostgreSQL grows with the tables and statements it has seen.
RENEWED_AFTER_SECONDS = 1800


class Connections:
    """Connections of `engine` whose last use ended well, lent again the last one first.

    There are never more than the pool gives out. Those that wait are given up together when one of
    them finds that the server has gone, when the engine is disposed of, and every half hour.
    """

    def __init__(self, engine: Engine, *, seconds: float = RENEWED_AFTER_SECONDS) -> None:
        self.engine = engine
        self._seconds = seconds
        self._renew()
        event.listen(engine, "handle_error", self._met_an_error)

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection for one thread; it goes back to the pool when the block raises.

        Whoever begins a transaction ends it, as db.session does.
        """
        # `engine_disposed` would tell, but then SQLAlchemy tells every statement to listeners, too.
        if self._pool is not self.engine.pool or time.monotonic() > self._until:
            self.give_up()
        idle = self._idle  # those that wait may be given up meanwhile, and this one with them
        try:
            connection = idle.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if idle is self._idle:
            idle.append(connection)
        else:
            _end(connection)

    def give_up(self) -> None:
        """End those that wait; those in use are ended when they come back."""
        idle = self._idle
        self._renew()
        with contextlib.suppress(IndexError):  # empty; a thread may be taking one just now
            while True:
                _end(idle.pop())

    def _renew(self) -> None:
        self._idle: deque[Connection] = deque()
        self._pool = self.engine.pool
        self._until = time.monotonic() + self._seconds

    def _met_an_error(self, context: ExceptionContext) -> None:
        if context.is_disconnect:
            self.give_up()


def _end(connection: Connection) -> None:
    connection.invalidate()
    connection.close()
