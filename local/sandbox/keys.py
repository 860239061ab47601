"""Idempotency keys as the providers keep them: the first answer and the request it answered."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

LIFETIME = timedelta(hours=24)


@dataclass
class Entry:
    """A key in use: `status` is None until its first request has been answered."""

    fingerprint: str
    created_at: datetime
    status: int | None = None
    body: Any = None


class Keys:
    """The keys of one account. Thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()

    def take(self, key: str, fingerprint: str, now: datetime) -> tuple[Entry, bool]:
        """The entry of a key, and whether this request is the first to use it within 24 h."""
        with self._lock:
            known = self._entries.get(key)
            if known is not None and now - known.created_at < LIFETIME:
                return known, False
            entry = self._entries[key] = Entry(fingerprint, now)
            return entry, True

    def forget(self, key: str) -> None:
        """Free a key for reuse, after a request that was not executed."""
        with self._lock:
            self._entries.pop(key, None)
