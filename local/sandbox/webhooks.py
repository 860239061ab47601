"""Notifications on their way to the shop: repeated until acknowledged, in no promised order.

Every attempt is signed anew. Timing: at once, then after 1, 2, 4... s up to a minute, until the
event is too old; the real intervals are longer. `Pace` changes them.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import requests

LONGEST_PAUSE = 60.0
ANSWER_SECONDS = 10.0
AT_ONCE = 16


@dataclass(frozen=True)
class Pace:
    """Delivery settings for tests; times are in seconds.

    copies: how often each event is sent at once. delay: before the first attempt. paused: events
    wait. newest_first: the order in which waiting events are sent. retry_scale shrinks the pauses.
    lose: so many of the next events are recorded and never sent.
    """

    copies: int = 1
    delay: float = 0.0
    paused: bool = False
    newest_first: bool = False
    retry_scale: float = 1.0
    lose: int = 0


@dataclass
class Delivery:
    """One event and the state of its delivery; times are those of time.monotonic()."""

    number: int
    kind: str
    body: bytes
    due_at: float
    expires_at: float
    attempts: int = 0
    delivered: bool = False
    statuses: list[int | None] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For the list of sent events; a null status means no answer."""
        return {
            "number": self.number,
            "kind": self.kind,
            "delivered": self.delivered,
            "statuses": self.statuses,
            "body": self.body.decode(),
        }


class Sender:
    """All events of one provider, sent by a daemon thread and one more per event."""

    def __init__(
        self,
        *,
        headers: Callable[[bytes], Mapping[str, str]],
        acknowledged: Callable[[int], bool],
        lifetime: float,
        url: str | None = None,
    ) -> None:
        """headers: of one attempt, with its signature. acknowledged: statuses that end delivery."""
        self._headers = headers
        self._acknowledged = acknowledged
        self._lifetime = lifetime
        self._changed = threading.Condition()
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._numbers = itertools.count(1)
        self._waiting: list[Delivery] = []
        self._closed = False
        self.history: deque[Delivery] = deque(maxlen=1000)
        self.pace = Pace()
        self.url = url
        threading.Thread(target=self._run, daemon=True).start()

    def send(self, kind: str, body: bytes) -> Delivery:
        """Queue an event; without a URL it is only recorded."""
        with self._changed:
            now = time.monotonic()
            delivery = Delivery(
                next(self._numbers), kind, body, now + self.pace.delay, now + self._lifetime
            )
            self.history.append(delivery)
            lost = self.pace.lose > 0
            if lost:
                self.pace = replace(self.pace, lose=self.pace.lose - 1)
            if self.url is not None and not lost:
                self._waiting.append(delivery)
                self._changed.notify_all()
        return delivery

    def redeliver(self, number: int) -> bool:
        """Send a past event once more, outside the queue; False when unknown."""
        found = next((known for known in self.history if known.number == number), None)
        if found is None or self.url is None:
            return False
        self._try(self.url, found)
        return True

    def configure(self, **changes: Any) -> Pace:
        """Change the pace, and the url if it is among the changes. TypeError for anything else."""
        with self._changed:
            if "url" in changes:
                self.url = changes.pop("url")
            self.pace = replace(self.pace, **changes)
            self._changed.notify_all()
            return self.pace

    def close(self) -> None:
        """Begin no delivery any more; what is not delivered never will be."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                ready = self._take_due()
                copies = self.pace.copies
                url, in_order = self.url, self.pace.newest_first
            # With newest_first they are sent one after another, else all at once.
            batches = [ready] if in_order and ready else [[one] for one in ready]
            for batch in batches:
                threading.Thread(
                    target=self._deliver, args=(url, batch, copies), daemon=True
                ).start()

    def _take_due(self) -> list[Delivery]:
        """Wait for due events and take them off the list; none when it is closed."""
        while not self._closed:
            now = time.monotonic()
            self._waiting = [kept for kept in self._waiting if kept.expires_at > now]
            due = [one for one in self._waiting if one.due_at <= now]
            if due and not self.pace.paused and self.url is not None:
                self._waiting = [one for one in self._waiting if one not in due]
                return due[::-1] if self.pace.newest_first else due
            later = [one.due_at - now for one in self._waiting if one.due_at > now]
            self._changed.wait(min(later, default=None) if later else None)
        return []

    def _deliver(self, url: str, batch: list[Delivery], copies: int) -> None:
        for delivery in batch:
            threads = [
                threading.Thread(target=self._try, args=(url, delivery)) for _ in range(copies)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if not delivery.delivered:
                self._postpone(delivery)

    def _postpone(self, delivery: Delivery) -> None:
        with self._changed:
            pause = min(2.0**delivery.attempts, LONGEST_PAUSE)
            delivery.attempts += 1
            delivery.due_at = time.monotonic() + pause * self.pace.retry_scale
            if not self._closed:
                self._waiting.append(delivery)
                self._changed.notify_all()

    def _try(self, url: str, delivery: Delivery) -> None:
        headers = {"Content-Type": "application/json", **self._headers(delivery.body)}
        status: int | None = None
        with self._slots, contextlib.suppress(requests.RequestException):
            if self._closed:
                return
            status = requests.post(
                url,
                data=delivery.body,
                headers=headers,
                timeout=ANSWER_SECONDS,
                allow_redirects=False,
            ).status_code
        delivery.statuses.append(status)
        if status is not None and self._acknowledged(status):
            delivery.delivered = True
