"""How often each name may do something in a window of time, counted in this process.

Any module may import it; it imports no other.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """Times allowed and left in the window, below zero beyond it; seconds until the next window."""

    limit: int
    left: int
    reset: int


class Quotas:
    """`limit` times for each name, in windows that begin with its first time. Not for threads.

    As all windows are equally long, those that began first end first: the ended ones are at the
    front, and each is forgotten once. clock: seconds that only go forward.
    """

    def __init__(
        self, limit: int, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def look(self, name: str) -> Quota:
        """What `name` has left."""
        now = self._forget_ended()
        return self._quota(self._windows.get(name) or _Window(now + self._seconds), now)

    def count(self, name: str) -> Quota:
        """Count one more time, and say what is left then."""
        now = self._forget_ended()
        window = self._windows.setdefault(name, _Window(now + self._seconds))
        window.used += 1
        return self._quota(window, now)

    def _quota(self, window: _Window, now: float) -> Quota:
        return Quota(self._limit, self._limit - window.used, math.ceil(window.end - now))

    def _forget_ended(self) -> float:
        now = self._clock()
        while self._windows and next(iter(self._windows.values())).end <= now:
            self._windows.popitem(last=False)
        return now


@dataclass(slots=True)
class _Window:
    end: float
    used: int = 0
