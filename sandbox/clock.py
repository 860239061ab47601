"""The sandbox's time: real, plus what has been skipped, so that an hour can pass in a test."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Aware UTC time that moves on by itself and by advance()."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._skipped = timedelta(0)

    def now(self) -> datetime:
        """The current time of all pretended providers."""
        with self._lock:
            return datetime.now(UTC) + self._skipped

    def advance(self, seconds: float) -> datetime:
        """Let `seconds` pass at once."""
        with self._lock:
            self._skipped += timedelta(seconds=seconds)
        return self.now()
