"""Telegram's limits on sending, off until they are asked for: 429 with the seconds to wait."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from local.sandbox.telegram.state import Chat
from local.sandbox.telegram.wire import Refusal


@dataclass(frozen=True)
class Rates:
    """What is sent at most: in all and to one chat within a second, to one group in a minute."""

    enabled: bool = False
    per_second: int = 30
    per_chat_second: int = 1
    per_group_minute: int = 20


@dataclass
class Limits:
    """Counts what is sent. Thread-safe."""

    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: defaultdict[int, deque[float]] = defaultdict(deque)

    def change(self, **changes: Any) -> Rates:
        """TypeError for a rate that there is not."""
        with self._lock:
            self.rates = replace(self.rates, **changes)
            self._sent.clear()
            return self.rates

    def count(self, chat: Chat) -> None:
        """Count a message to a chat; 429 at one of the limits, and then nothing is counted."""
        if not self.rates.enabled:
            return
        windows = [(0, self.rates.per_second, 1.0), (chat.id, self.rates.per_chat_second, 1.0)]
        if chat.id < 0:
            windows.append((chat.id, self.rates.per_group_minute, 60.0))
        with self._lock:
            now = time.monotonic()
            wait = max(self._wait(key, most, seconds, now) for key, most, seconds in windows)
            if wait > 0:
                seconds = max(ceil(wait), 1)
                raise Refusal(
                    429,
                    f"Too Many Requests: retry after {seconds}",
                    {"retry_after": seconds},
                )
            for key in (0, chat.id):
                self._sent[key].append(now)

    def _wait(self, key: int, most: int, seconds: float, now: float) -> float:
        """Seconds until one more may be sent under this key, 0 for now."""
        sent = self._sent[key]
        while sent and now - sent[0] > 60:
            sent.popleft()
        recent = [moment for moment in sent if now - moment < seconds]
        return recent[-most] + seconds - now if len(recent) >= most else 0.0
