"""Runs of a simulated engine: what was asked, what is to become of it, and where it is by now."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from local.sandbox.clock import Clock
from local.sandbox.engines.outputs import FILES

Media = Literal["video", "image"]

# refused: by the filter for content. input: the model cannot use this photo. infrastructure: a
# runner died. mute: a success without a file. weird: a status that no documentation has.
ENDS = ("succeeded", "failed", "refused", "input", "infrastructure", "mute", "weird")


@dataclass(frozen=True)
class Script:
    """What will become of a run. Times are in seconds.

    end: one of ENDS. error: the words of a failure, "" for the provider's usual ones. file: one of
    FILES. shape: of the output, where a provider has several: text, list or object.
    """

    queue_seconds: float = 0.0
    run_seconds: float = 0.0
    end: str = "succeeded"
    error: str = ""
    file: str = "good"
    shape: str = ""

    def __post_init__(self) -> None:
        if self.end not in ENDS:
            raise ValueError(f"end must be one of {', '.join(ENDS)}")
        if self.file not in FILES:
            raise ValueError(f"file must be one of {', '.join(FILES)}")


@dataclass
class Run:
    """One accepted order. photo: the bytes the model got, None if it could not read them."""

    id: str
    number: int
    model: str
    media: Media
    input: dict[str, Any]
    photo: bytes | None
    script: Script
    created_at: datetime
    deadline: datetime | None = None
    canceled_at: datetime | None = None
    polls: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    made: bytes | None = None

    @property
    def started_at(self) -> datetime:
        return self.created_at + timedelta(seconds=self.script.queue_seconds)

    @property
    def finished_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.script.run_seconds)

    def stopped_at(self, now: datetime) -> datetime | None:
        """When it was stopped, by a cancel or by its deadline, unless it had finished."""
        passed = self.deadline if self.deadline is not None and self.deadline <= now else None
        stops = [moment for moment in (self.canceled_at, passed) if moment is not None]
        first = min(stops, default=None)
        return first if first is not None and first < self.finished_at else None

    def phase(self, now: datetime) -> str:
        """queued, running, ended or stopped."""
        if self.stopped_at(now) is not None:
            return "stopped"
        if now < self.started_at:
            return "queued"
        return "running" if now < self.finished_at else "ended"

    def percent(self, now: datetime) -> int:
        """How much is done."""
        if now >= self.finished_at:
            return 100
        whole = self.script.run_seconds or 1.0
        return max(0, int(100 * (now - self.started_at).total_seconds() / whole))


class Runs:
    """All runs of one engine; the next ones follow the scripts queued for them."""

    def __init__(self, clock: Clock, new_id: Callable[[int], str]) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.default = Script()
        self.scripts: deque[Script] = deque()
        self._new_id = new_id
        self._numbers = itertools.count(1)
        self._runs: dict[str, Run] = {}

    def add(
        self,
        *,
        model: str,
        media: Media,
        input: dict[str, Any],
        photo: bytes | None,
        id: str | None = None,
        **about: Any,
    ) -> Run:
        """Accept an order."""
        with self.lock:
            number = next(self._numbers)
            script = self.scripts.popleft() if self.scripts else self.default
            run = Run(
                id or self._new_id(number),
                number,
                model,
                media,
                input,
                photo,
                script,
                self.clock.now(),
                about=about,
            )
            self._runs[run.id] = run
            return run

    def get(self, identifier: str) -> Run | None:
        """The run with this id."""
        return self._runs.get(identifier)

    def newest_first(self) -> list[Run]:
        """All of them."""
        with self.lock:
            return sorted(self._runs.values(), key=lambda run: -run.number)

    def cancel(self, run: Run) -> None:
        """Stop it now, if it has not finished."""
        with self.lock:
            run.canceled_at = run.canceled_at or self.clock.now()

    def delay(self, run: Run, until: datetime) -> None:
        """Let it start no earlier than `until`: there is one GPU."""
        with self.lock:
            waits = (until - run.created_at).total_seconds()
            if waits > run.script.queue_seconds:
                run.script = replace(run.script, queue_seconds=waits)

    def remove(self, run: Run) -> None:
        """Forget one."""
        with self.lock:
            self._runs.pop(run.id, None)

    def forget(self) -> None:
        """Forget all, as a restart does where history is kept in memory."""
        with self.lock:
            self._runs.clear()
