"""Races that must meet at a lock: the one who comes second is seen waiting before time goes on."""

from __future__ import annotations

from sqlalchemy import text

from db import reading
from tests.wire import wait_until

_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def wait_for_a_waiter() -> None:
    """Wait until a transaction waits for a lock that another one holds."""
    wait_until(somebody_waits)


def somebody_waits() -> bool:
    """Whether a transaction waits for a lock that another one holds."""
    with reading() as reader:
        return bool(reader.scalar(_WAITING))
