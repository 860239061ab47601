"""What stands before the servers: it sends requests to those that are ready, and lets each finish
what it has begun before it is stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from lab.chaos.client import Answer, Client, Tally

DRAIN_SECONDS = 60.0


class Balancer:
    """Servers that get requests, by their roots such as http://127.0.0.1:8000; thread-safe."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = roots
        self._open = set(roots)
        self._busy = dict.fromkeys(roots, 0)
        self._changed = threading.Condition()

    @property
    def open(self) -> list[str]:
        """Those that get requests now."""
        return [root for root in self.roots if root in self._open]

    @contextmanager
    def turn(self) -> Iterator[str]:
        """The server for one operation, the least busy one."""
        with self._changed:
            root = min(self.open, key=lambda each: self._busy[each])
            self._busy[root] += 1
        try:
            yield root
        finally:
            with self._changed:
                self._busy[root] -= 1
                self._changed.notify_all()

    def drain(self, root: str) -> None:
        """Send it nothing more, and wait until it has answered. TimeoutError."""
        with self._changed:
            self._open.discard(root)
            if not self._changed.wait_for(lambda: not self._busy[root], DRAIN_SECONDS):
                raise TimeoutError(f"{root} has not answered for {DRAIN_SECONDS:.0f} s")

    def admit(self, root: str) -> None:
        """Send it requests again."""
        with self._changed:
            self._open.add(root)


class BalancedClient(Client):
    """A client behind the balancer: each operation goes to one server, and is repeated there."""

    def __init__(self, balancer: Balancer, key: str, tally: Tally, chance: Random) -> None:
        super().__init__(balancer.roots, key, tally, chance)
        self._balancer = balancer
        self._behind = {
            root: Client([root], key, tally, chance, keep_alive=False) for root in balancer.roots
        }

    def call(self, operation: str, method: str, target: str, **options: Any) -> Answer:
        """See Client."""
        with self._balancer.turn() as root:
            return self._behind[root].call(operation, method, target, **options)

    def close(self) -> None:
        """Close its connections."""
        super().close()
        for each in self._behind.values():
            each.close()
