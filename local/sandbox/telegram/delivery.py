"""Updates on their way to the bot: by webhook, in order within a queue, or by getUpdates.

Timing follows the published server: done after 2xx, else repeated at once, then after 2, 4, 8... s
up to a random 60-120 s; Retry-After is honoured up to an hour; expired updates are dropped.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from local.sandbox.telegram.wire import Refusal

MESSAGE_LIFETIME = 24 * 3600.0
PRE_CHECKOUT_LIFETIME = 150.0
BETWEEN_POLLS = 5.0  # a bot that does not ask again for longer is not there
TERMINATED = (
    "Conflict: terminated by other getUpdates request;"
    " make sure that only one bot instance is running"
)
# Sent only if named in allowed_updates.
NOT_BY_DEFAULT = ("chat_member", "message_reaction", "message_reaction_count")


@dataclass
class Update:
    """One update and the state of its delivery; times are those of time.monotonic()."""

    id: int
    body: dict[str, Any]
    queue: str
    expires_at: float
    delay: float = 1.0
    wakeup_at: float = 0.0
    fails: int = 0


@dataclass(frozen=True)
class Webhook:
    """Where updates are posted. is_bot: not if it is a server that answers nobody."""

    url: str
    secret: str
    max_connections: int
    is_bot: bool = True


@dataclass
class Pace:
    """Delivery settings for tests: `retry_scale` shrinks waits, `copies` repeats each update."""

    retry_scale: float = 1.0
    copies: int = 1
    delay_seconds: float = 0.0
    paused: bool = False


@dataclass
class Delivery:
    """All queues of one bot. A daemon thread per busy queue posts its updates."""

    run_reply: Callable[[str, dict[str, Any]], None]
    pace: Pace = field(default_factory=Pace)
    webhook: Webhook | None = None
    allowed: list[str] = field(default_factory=list)
    last_error: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        # Its threads must not disturb whoever has seeded the random numbers of the process.
        self._random = random.Random()  # noqa: S311 - not a secret
        self._ids = itertools.count(self._random.randrange(10**6, 10**8))
        self._queues: dict[str, deque[Update]] = {}
        self._senders: set[str] = set()
        self._newest_poll = 0
        self._heard_until = 0.0
        self.history: deque[dict[str, Any]] = deque(maxlen=1000)
        self.attempts: deque[dict[str, Any]] = deque(maxlen=1000)

    def push(
        self,
        kind: str,
        body: dict[str, Any],
        *,
        queue: str,
        lifetime: float = MESSAGE_LIFETIME,
    ) -> int | None:
        """Queue an update {kind: body}; None when allowed_updates excludes it."""
        wanted = kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT
        if not wanted:
            return None
        with self._changed:
            now = time.monotonic()
            number = next(self._ids)
            wire = {"update_id": number, kind: body}
            update = Update(
                number, wire, queue, now + lifetime, wakeup_at=now + self.pace.delay_seconds
            )
            self.history.append(wire)
            self._queues.setdefault(queue, deque()).append(update)
            self._start_senders()
        return number

    def redeliver(self, update_id: int) -> bool:
        """Post a past update once more, outside all queues; False when unknown."""
        wire = next((u for u in self.history if u["update_id"] == update_id), None)
        if wire is None or self.webhook is None:
            return False
        self._post(self.webhook, wire)
        return True

    def set_webhook(self, webhook: Webhook | None, *, drop_pending: bool) -> None:
        """Change or remove the webhook; pending updates stay unless dropped."""
        with self._changed:
            self.webhook = webhook
            self.last_error = None
            self._newest_poll += 1
            if drop_pending:
                self._queues.clear()
            self._start_senders()

    def close(self) -> None:
        """Begin no delivery any more."""
        self.set_webhook(None, drop_pending=True)

    def resume(self) -> None:
        """Wake the senders after a change of pace."""
        with self._changed:
            self._changed.notify_all()

    def pending(self) -> list[Update]:
        """Undelivered updates by id."""
        with self._changed:
            return sorted(
                (update for queue in self._queues.values() for update in queue), key=lambda u: u.id
            )

    @property
    def has_bot(self) -> bool:
        """Whether a bot takes updates: it is called, or has just asked."""
        with self._changed:
            called = self.webhook is not None and self.webhook.is_bot
            return called or time.monotonic() < self._heard_until

    def take(self, offset: int, limit: int, timeout: float) -> list[dict[str, Any]]:
        """getUpdates: confirm everything below `offset`, then wait for what is left.

        A negative offset keeps only so many of the newest. 409 for whoever waits while another
        call begins, as of two bots with one token.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._newest_poll += 1
            mine = self._newest_poll
            self._heard_until = deadline + BETWEEN_POLLS
            self._changed.notify_all()
            self._confirm(offset)
            while not (found := self.pending()) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
                if self._newest_poll != mine:
                    raise Refusal(409, TERMINATED)
            return [update.body for update in found[:limit]]

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            newest = self.pending()[offset:]
            offset = newest[0].id if newest else 0
        for queue in self._queues.values():
            while queue and queue[0].id < offset:
                queue.popleft()

    def _start_senders(self) -> None:
        self._changed.notify_all()
        if self.webhook is None:
            return
        for queue, updates in self._queues.items():
            if updates and queue not in self._senders:
                self._senders.add(queue)
                threading.Thread(target=self._send_queue, args=(queue,), daemon=True).start()

    def _send_queue(self, queue: str) -> None:
        while ready := self._next(queue):
            webhook, update = ready
            delivered, retry_after = self._post(webhook, update.body)
            with self._changed:
                updates = self._queues.get(queue)
                if not updates or updates[0] is not update:
                    continue
                if delivered:
                    updates.popleft()
                else:
                    self._postpone(update, retry_after)

    def _next(self, queue: str) -> tuple[Webhook, Update] | None:
        with self._changed:
            while self.webhook and (updates := self._queues.get(queue)):
                now = time.monotonic()
                head = updates[0]
                if head.expires_at < now:
                    updates.popleft()
                elif self.pace.paused:
                    self._changed.wait(1)
                elif head.wakeup_at > now:
                    self._changed.wait(head.wakeup_at - now)
                else:
                    return self.webhook, head
            self._senders.discard(queue)
            return None

    def _postpone(self, update: Update, retry_after: int) -> None:
        wait = float(min(retry_after, 3600))
        if wait == 0 and update.fails > 0:
            update.delay = min(update.delay * 2, self._random.uniform(60, 120))
            wait = update.delay
        update.fails += 1
        update.wakeup_at = time.monotonic() + wait * self.pace.retry_scale

    def _post(self, webhook: Webhook, wire: dict[str, Any]) -> tuple[bool, int]:
        headers = {"Content-Type": "application/json"}
        if webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret
        delivered, retry_after = False, 0
        for _ in range(self.pace.copies):
            try:
                answer = requests.post(
                    webhook.url,
                    data=json.dumps(wire),
                    headers=headers,
                    timeout=60,
                    allow_redirects=False,
                )
            except requests.RequestException as failure:
                self._note(wire, None, type(failure).__name__)
                continue
            reply = f"{answer.status_code} {answer.reason}"
            self._note(wire, answer.status_code, f"Wrong response from the webhook: {reply}")
            if 200 <= answer.status_code < 300:
                delivered = True
                self._run_reply(answer)
            else:
                seconds = answer.headers.get("Retry-After", "")
                retry_after = int(seconds) if seconds.isdigit() else 0
        return delivered, retry_after

    def _note(self, wire: dict[str, Any], status: int | None, error: str) -> None:
        self.attempts.append({"update_id": wire["update_id"], "status": status, "at": time.time()})
        if status is None or not 200 <= status < 300:
            self.last_error = (int(time.time()), error)

    def _run_reply(self, answer: requests.Response) -> None:
        """Execute a 2xx body that names a method as a call; its result is not reported."""
        try:
            body = answer.json()
        except ValueError:
            return
        method = str(body.get("method", "")).lower() if isinstance(body, dict) else ""
        if method and not method.startswith("get") and method not in ("setwebhook", "close"):
            self.run_reply(method, body)
