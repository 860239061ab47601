"""How a function says that there is nothing new yet, and what its caller would wait for.

web/waiting.py then holds the request without a thread, and calls the function again.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

WAIT = "wait"  # the parameter: seconds


@dataclass(frozen=True, slots=True)
class EventsAfter:
    """An event behind this one in the feed."""

    sequence: int


@dataclass(frozen=True, slots=True)
class JobChanges:
    """A job in another status, or further on, than it was seen."""

    job_id: UUID
    status: str
    progress: int


Awaited = EventsAfter | JobChanges


class NotYet(Exception):
    """Raised by a function with a parameter `wait`; it is called again with `wait` 0.

    seconds: how long the caller would wait at most.
    """

    def __init__(self, awaited: Awaited, seconds: int) -> None:
        super().__init__("nothing new yet")
        self.awaited = awaited
        self.seconds = seconds
