"""What workers do periodically besides jobs. Each duty is safe in several workers at once: they
take different rows, or the second one finds nothing left to do.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import settings
from db import reading, transaction
from db.types import now
from errors import ApiError
from providers import registry
from services import (
    day_figures,
    days,
    draws,
    form_keys,
    idempotency,
    inbox,
    jobs,
    login_waits,
    operator_sessions,
    outbox,
    pace,
    queue,
    rate_windows,
    support,
)
from telemetry import metrics
from workflows import dispatch, files, reconciler

log = logging.getLogger("worker")

BATCH = 100  # unpaid jobs closed in one turn
FIGURES_SECONDS = 2  # for figures of days that nobody waits for
OLDER_DAYS = 20
CUT_OFF_SECONDS = 3600  # longer than any upload or job takes
WORK_PREFIX = "livephoto-job-"


@dataclass
class Duty:
    """Something to do periodically, by one worker at a time."""

    name: str
    every_seconds: float
    work: Callable[[], int]
    _next: float = 0.0

    def run_if_due(self) -> None:
        """As a job, a duty must never end the worker: one bad row would end them all."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.every_seconds
        started = time.monotonic()
        try:
            if done := self.work():
                log.info("duty %s: %d done", self.name, done)
            metrics.duty_last_success.set(time.time(), self.name)
        except ApiError:  # database or storage unavailable: the worker waits
            raise
        except Exception:
            log.exception("duty %s failed unexpectedly", self.name)
        finally:
            metrics.duty_seconds.observe(time.monotonic() - started, self.name)


def _give_up_lost_jobs() -> int:
    with transaction() as session:
        return queue.give_up_lost(session)


def _forget_idempotency_keys() -> int:
    forgotten, batch = 0, idempotency.SWEPT_AT_ONCE
    while batch == idempotency.SWEPT_AT_ONCE:
        with transaction() as session:
            batch = idempotency.sweep(session, now())
        forgotten += batch
    return forgotten


def _expire_waiting_jobs() -> int:
    for expired in range(BATCH):
        with transaction() as session:
            if not jobs.expire_waiting(session, now=now()):
                return expired
    return BATCH


def _measure_pace() -> int:
    with transaction() as session:
        return pace.measure(session, now=now())


def _draw_lotteries() -> int:
    with transaction() as session:
        return int(draws.draw_due(session, now=now()) is not None)


def _forget_events() -> int:
    sweeps = [outbox.sweep] if settings.load().events_url else [outbox.sweep, outbox.sweep_unposted]
    forgotten = 0
    for sweep in sweeps:
        batch = outbox.SWEPT_AT_ONCE
        while batch >= outbox.SWEPT_AT_ONCE:
            with transaction() as session:
                batch = sweep(session, now=now())
            forgotten += batch
    return forgotten


def _forget_notices() -> int:
    with transaction() as session:
        return inbox.forget_notices(session, now=now())


def _forget_support_requests() -> int:
    with transaction() as session:
        return support.forget_closed(session, now=now())


def _forget_logins() -> int:
    moment = now()
    with transaction() as session:
        ended = operator_sessions.sweep(session, now=moment)
        forms = form_keys.sweep(session, now=moment)
        return ended + forms + login_waits.sweep(session, now=moment)


def _forget_rate_windows() -> int:
    if settings.load().rate_limit_store != "database":
        return 0
    with transaction() as session:
        return rate_windows.sweep(session)


def _keep_figures() -> int:
    """Today's figures, then some of days that were never finished; only these are counted."""
    with reading() as reader:
        due = day_figures.due(reader, now=now(), older=OLDER_DAYS)
    end, older, today = time.monotonic() + FIGURES_SECONDS, 0, days.of(now())
    for day in due:
        if day < today and time.monotonic() > end:
            break
        with transaction() as session:
            if not day_figures.compute(session, day, now=now()):
                break  # another worker is at it
        older += day < today
    return older


def _remove_left_work() -> int:
    # A killed worker cannot remove its folder, and a customer's photo is in it.
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{WORK_PREFIX}*"):
        # Another worker may have removed it, or it belongs to another user.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if folder.stat().st_mtime < time.time() - CUT_OFF_SECONDS:
                shutil.rmtree(folder)
                removed += 1
    return removed


# name, seconds between two turns, work
DUTIES: list[tuple[str, float, Callable[[], int]]] = [
    ("fail lost jobs", 5, _give_up_lost_jobs),
    ("give up jobs that no engine takes", 30, dispatch.give_up_waiting),
    ("delete expired files", 60, files.delete_expired),
    ("ask about payments", 20, reconciler.check_due),
    ("close unpaid jobs", 60, _expire_waiting_jobs),
    ("draw lotteries", 10, _draw_lotteries),
    ("delete expired idempotency keys", 600, _forget_idempotency_keys),
    ("measure how long models take", 60, _measure_pace),
    ("delete old events", 600, _forget_events),
    ("forget who paid long ago", 600, _forget_notices),
    ("delete old support requests", 600, _forget_support_requests),
    ("forget old logins and forms of the console", 600, _forget_logins),
    ("forget ended windows of rate limits", 60, _forget_rate_windows),
    ("keep the figures of days", 60, _keep_figures),
    ("remove leftover work folders", 600, _remove_left_work),
    ("remove interrupted writes", 600, lambda: registry.storage().sweep(CUT_OFF_SECONDS)),
]
