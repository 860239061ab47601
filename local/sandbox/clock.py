"""The sandbox's time: real, plus what has been skipped, so that an hour can pass in a test."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Aware UTC time that runs on its own and can be advanced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._skipped = timedelta(0)

    def now(self) -> datetime:
        """The current time of all simulated providers."""
        with self._lock:
            return datetime.now(UTC) + self._skipped

    def advance(self, seconds: float) -> datetime:
        """Skip `seconds`."""
        with self._lock:
            self._skipped += timedelta(seconds=seconds)
        return self.now()
