"""What happened in all chats, numbered, for whoever watches: the chat page, and tests that wait."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT = 5000


@dataclass(frozen=True)
class Entry:
    """One visible happening. kind: message, edit, delete, action, answer, keyboard, reaction,
    chats.
    """

    number: int
    kind: str
    chat_id: int
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For the controls."""
        return {"number": self.number, "kind": self.kind, "chat_id": self.chat_id, **self.facts}


class Journal:
    """The last happenings, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    @property
    def last(self) -> int:
        """The number of the newest entry, 0 before the first."""
        with self._changed:
            return self._entries[-1].number if self._entries else 0

    def add(self, kind: str, chat_id: int, **facts: Any) -> None:
        """Note a happening and wake those who wait."""
        with self._changed:
            self._entries.append(Entry(next(self._numbers), kind, chat_id, facts))
            self._changed.notify_all()

    def after(self, number: int, chat_id: int | None, seconds: float) -> list[Entry]:
        """Entries above `number`, of one chat or of all; waits up to `seconds` for the first."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (found := self._above(number, chat_id)):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return found

    def _above(self, number: int, chat_id: int | None) -> list[Entry]:
        newest_first = itertools.takewhile(lambda e: e.number > number, reversed(self._entries))
        return [e for e in newest_first if chat_id is None or e.chat_id == chat_id][::-1]
