"""Posts events to the bot beside the worker's jobs, in threads of its own."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

from errors import ApiError
from providers.event_endpoint import Delivery, Endpoint
from services import outbox
from workflows import outbox as sending

log = logging.getLogger("worker")

THREADS = 8
PAUSE_SECONDS = 0.5  # between two looks when nothing is due
PAUSE_AFTER_TROUBLE_SECONDS = 2.0
# After so many failures in a row, whatever the events, one is sent now and then instead of all.
MOST_FAILURES = 5
PROBE_SECONDS = 30.0
GRACE_SECONDS = 15.0  # longer than a post takes


class EventSender:
    """The sender of one worker process; any number of them share the outbox. Without EVENTS_URL it
    does nothing.
    """

    def __init__(self, to: Endpoint | None, chance: Random | None = None) -> None:
        self._to = to
        self._chance = chance or Random()  # noqa: S311 pace, no secret
        self._failures = 0
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="events")
        self._thread = threading.Thread(target=self._run, name="event-sender", daemon=True)

    def start(self) -> None:
        """Send from now on."""
        if self._to is not None:
            self._thread.start()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the posts in hand."""
        if self._thread.ident is not None:
            self._thread.join(GRACE_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self) -> float:
        """Send what is due, or one of it as a probe; returns seconds until the next turn."""
        if self._to is None:
            return PAUSE_SECONDS
        probing = self._failures >= MOST_FAILURES
        deliveries = sending.send_due(
            self._to,
            limit=1 if probing else outbox.AT_ONCE,
            post_all=self._pool.map,
            chance=self._chance,
        )
        for delivery in deliveries:
            self._failures = 0 if delivery.delivered or delivery.refused else self._failures + 1
        return max(self._pause(deliveries), _asked_pause(deliveries))

    def _pause(self, deliveries: list[Delivery]) -> float:
        if self._failures >= MOST_FAILURES:
            return PROBE_SECONDS
        return 0.0 if deliveries else PAUSE_SECONDS

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = self.turn()
            except ApiError as error:
                log.warning("events for the bot wait: %s", error)
                pause = PAUSE_AFTER_TROUBLE_SECONDS
            except Exception:
                log.exception("unexpected error in a turn of the event sender")
                pause = PAUSE_AFTER_TROUBLE_SECONDS


def _asked_pause(deliveries: list[Delivery]) -> float:
    """Retry-After is about the bot, not about one event: nothing is sent before that."""
    return max((each.retry_after or 0.0 for each in deliveries), default=0.0)
