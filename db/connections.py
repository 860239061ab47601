"""Connections kept between two uses.

A checkout from SQLAlchemy's pool creates three objects and takes two locks, a tenth of the cost of
a short read. The pool is still needed for failures, and gets every connection that has had one.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, ExceptionContext, event

# A PostgreSQL backend grows with the tables and statements it has seen.
RENEWED_AFTER_SECONDS = 1800


class Connections:
    """Connections of `engine` whose last use succeeded, reused most recent first.

    There are never more than the pool gives out. Idle ones are given up together when one of them
    finds that the server has gone, when the engine is disposed of, and every half hour.
    """

    def __init__(self, engine: Engine, *, seconds: float = RENEWED_AFTER_SECONDS) -> None:
        self.engine = engine
        self._seconds = seconds
        self._renew()
        event.listen(engine, "handle_error", self._met_an_error)

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection for one thread; it returns to the pool when the block raises.

        Whoever begins a transaction must end it, as db.session does.
        """
        # The event `engine_disposed` would do, but then SQLAlchemy dispatches every statement too.
        if self._pool is not self.engine.pool or time.monotonic() > self._until:
            self.give_up()
        idle = self._idle  # the idle ones may be given up meanwhile, and this one with them
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
        """Close the idle ones; those in use are closed when they come back."""
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
