"""What workers do every so often besides jobs. Each duty is safe in several workers at once: they
take different rows, or the second one finds nothing left to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import reconciler
from db import transaction
from db.types import now
from providers import instances
from services import data, draws, idempotency, jobs, queue

log = logging.getLogger("worker")

BATCH = 100  # unpaid jobs closed in one turn
CUT_OFF_SECONDS = 3600  # longer than any upload takes


@dataclass
class Duty:
    """Something to do every so often, by one worker at a time."""

    name: str
    every_seconds: float
    work: Callable[[], int]
    _next: float = 0.0

    def run_if_due(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.every_seconds
        if done := self.work():
            log.info("duty %s: %d", self.name, done)


def _give_up_lost_jobs() -> int:
    with transaction() as session:
        return queue.give_up_lost(session)


def _forget_idempotency_keys() -> int:
    with transaction() as session:
        return idempotency.sweep(session, now())


def _delete_expired_files() -> int:
    # First nobody can use them any more, then the bytes go, then that is noted: a crash in between
    # leaves them on the list.
    with transaction() as session:
        data.expire(session, now=now())
        doomed = data.purgeable(session)
    for _, key in doomed:
        instances.storage().delete(key)
    if doomed:
        with transaction() as session:
            data.purged(session, [data_id for data_id, _ in doomed], now=now())
    return len(doomed)


def _expire_waiting_jobs() -> int:
    for expired in range(BATCH):
        with transaction() as session:
            if not jobs.expire_waiting(session, now=now()):
                return expired
    return BATCH


def _draw_lotteries() -> int:
    with transaction() as session:
        return int(draws.draw_due(session, now=now()) is not None)


# name, seconds between two turns, work
DUTIES: list[tuple[str, float, Callable[[], int]]] = [
    ("give up lost jobs", 5, _give_up_lost_jobs),
    ("delete expired files", 60, _delete_expired_files),
    ("ask about payments", 20, reconciler.check_due),
    ("close unpaid jobs", 60, _expire_waiting_jobs),
    ("draw lotteries", 10, _draw_lotteries),
    ("forget idempotency keys", 600, _forget_idempotency_keys),
    ("remove cut-off writes", 600, lambda: instances.storage().sweep(CUT_OFF_SECONDS)),
]
