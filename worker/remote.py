"""Carries the jobs of engines at providers beside the worker's own, without waiting for any.

One thread looks every second for what is due and holds what is in hand; few others do the steps.
What is not due costs nothing, so hundreds of jobs may be in flight.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from uuid import UUID

import settings
from db import transaction
from errors import ApiError
from services import attempts, models
from services.attempt_rows import Attempt
from services.attempts import QUICK_STATES, SLOW_STATES
from telemetry import logs, tracing
from worker.duties import WORK_PREFIX
from workflows import dispatch, generation
from workflows.steps import Step

log = logging.getLogger("worker")

TURN_SECONDS = 1.0
IDLE_TURN_SECONDS = 10.0  # while no provider is connected
PAUSE_AFTER_TROUBLE_SECONDS = 2.0
QUICK_THREADS, SLOW_THREADS = 8, 4
GRACE_SECONDS = 20.0


class _Crew:
    """Threads for steps of some states, and the attempts they have in hand.

    waiting: how many of those may wait for a thread, so that none is idle until the next turn.
    """

    def __init__(self, name: str, threads: int, states: tuple[str, ...], *, waiting: int) -> None:
        self.states = states
        self._most = threads + waiting
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._in_hand: set[UUID] = set()
        self._lock = threading.Lock()

    @property
    def in_hand(self) -> list[UUID]:
        """Attempts whose step has not ended."""
        with self._lock:
            return list(self._in_hand)

    @property
    def free(self) -> int:
        """How many more attempts may be taken: some wait for a thread until the next turn."""
        return self._most - len(self.in_hand)

    def start(self, attempt: Attempt, step: Callable[[Attempt], None]) -> None:
        """Do a step in a thread."""
        with self._lock:
            self._in_hand.add(attempt.id)
        self._pool.submit(self._run, attempt, step)

    def end(self) -> None:
        """Begin no more steps; those in hand go on."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, attempt: Attempt, step: Callable[[Attempt], None]) -> None:
        try:
            step(attempt)
        finally:
            with self._lock:
                self._in_hand.discard(attempt.id)


class RemoteWork:
    """The remote jobs in the hands of one worker process."""

    def __init__(self, worker: str, chance: Random | None = None) -> None:
        self._worker = worker
        self._chance = chance or Random()  # noqa: S311 pace, no secret
        self._quick = _Crew("remote", QUICK_THREADS, QUICK_STATES, waiting=8 * QUICK_THREADS)
        self._slow = _Crew("transfer", SLOW_THREADS, SLOW_STATES, waiting=SLOW_THREADS)
        self._stopping = threading.Event()
        self._stop_at = 0.0
        self._thread = threading.Thread(target=self._run, name="remote-turns", daemon=True)

    def start(self) -> None:
        """Look for what is due from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new; what is in hand has GRACE_SECONDS, the rest is the next worker's."""
        self._stop_at = time.monotonic() + GRACE_SECONDS
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end of the steps in hand, within their grace."""
        self._thread.join(GRACE_SECONDS)
        while self._in_hand() and time.monotonic() < self._stop_at:
            self._hold()
            time.sleep(0.1)

    def turn(self) -> None:
        """Order what there is room for, and begin the steps that are due."""
        self._hold()
        dispatch.order_due(self._chance)
        for crew in (self._slow, self._quick):
            self._claim(crew)

    def _run(self) -> None:
        # Something due may have been left by another process although no provider is connected.
        pause = TURN_SECONDS if _any_engine() else IDLE_TURN_SECONDS
        while not self._stopping.wait(pause):
            try:
                self.turn()
            except ApiError as error:
                log.warning("remote jobs wait: %s", error)
                self._stopping.wait(PAUSE_AFTER_TROUBLE_SECONDS)
            except Exception:
                log.exception("unexpected error in a turn of remote jobs")
        for crew in (self._quick, self._slow):
            crew.end()

    def _claim(self, crew: _Crew) -> None:
        if crew.free <= 0:
            return
        with transaction() as session:
            due = attempts.claim_due(
                session, self._worker, states=crew.states, lease=_lease(), limit=crew.free
            )
        for attempt in due:
            crew.start(attempt, self._advance)

    def _hold(self) -> None:
        if in_hand := self._in_hand():
            with transaction() as session:
                attempts.hold(session, self._worker, in_hand, lease=_lease())

    def _in_hand(self) -> list[UUID]:
        return [*self._quick.in_hand, *self._slow.in_hand]

    def _advance(self, attempt: Attempt) -> None:
        """One attempt must never end the worker, nor be stepped again and again in a second."""
        named = {"attempt_id": str(attempt.id)}
        about = {"livephoto.engine": attempt.engine, "livephoto.state": attempt.state}
        with (
            logs.about(attempt.request_id),
            tracing.root("attempt", about, link=attempt.traceparent),
        ):
            try:
                with TemporaryDirectory(prefix=WORK_PREFIX) as folder:
                    step = Step(Path(folder), self._chance, self._out_of_grace)
                    generation.advance(attempt, step)
            except ApiError as error:  # the lease brings it back
                log.warning("attempt is taken up again when its lease ends: %s", error, extra=named)
            except Exception:
                log.exception("unexpected error in a step of an attempt", extra=named)

    def _out_of_grace(self) -> bool:
        return self._stopping.is_set() and time.monotonic() > self._stop_at


def _any_engine() -> bool:
    return any(models.is_connected(name) for name in settings.ENGINES)


def _lease() -> timedelta:
    return timedelta(seconds=settings.load().job_lease_seconds)
