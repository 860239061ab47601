"""The API called as a client program should call it: docs/bot.md, "Sending it again"."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests

from local import client as clients

PATIENCE_SECONDS = 120.0  # longer than any injected fault lasts
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
RETRIED = {429, 500, 503}


class FailedError(Exception):
    """An operation that never got an answer the contract allows, however often it was sent."""


@dataclass
class Tally:
    """Results of all requests so far; thread-safe.

    done: successful operations. repeats: why requests were sent again. waiting: operations that
    are being retried now.
    """

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    bugs: Counter[str] = field(default_factory=Counter)  # answers of 500, by operation
    waiting: int = 0
    longest_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, counter: Counter[str], name: str) -> None:
        """Increment `counter[name]`."""
        with self._lock:
            counter[name] += 1

    def record_duration(self, seconds: float) -> None:
        """Record how long an operation took, repeats included."""
        with self._lock:
            self.longest_seconds = max(self.longest_seconds, seconds)

    @contextmanager
    def retrying(self) -> Iterator[None]:
        """Count an operation as waiting while it is being retried."""
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1


@dataclass(frozen=True)
class Answer:
    """Status, parsed JSON (None where there is none) and raw bytes."""

    status: int
    body: Any
    content: bytes
    next_page: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is a success, not a refusal."""
        return self.status < 400


class Client:
    """A client that retries; `servers` are roots such as http://127.0.0.1:8000.

    It balances the load itself: a request that got no answer goes to the next server. A link is
    requested from any of them, whichever it names. keep_alive: whether connections are kept, which
    a server may close as the next request leaves.
    """

    def __init__(
        self,
        servers: Sequence[str],
        key: str,
        tally: Tally,
        chance: Random,
        *,
        keep_alive: bool = True,
    ) -> None:
        roots = chance.sample(servers, len(servers))
        self._clients = [clients.Client(f"{root}/api", key) for root in roots]
        if not keep_alive:
            for each in self._clients:
                each.session.headers["Connection"] = "close"
        self._turns = itertools.cycle(zip(roots, self._clients, strict=True))
        self._root, self._client = next(self._turns)
        self._tally = tally
        self._chance = chance

    def call(
        self,
        operation: str,
        method: str,
        target: str,
        *,
        key: str | None = None,
        refusals: Sequence[str] = (),
        **options: Any,
    ) -> Answer:
        """Send an operation until it is answered; `target` is a path below /api/v1, or a link.

        key: Idempotency-Key. refusals: error codes that are valid answers, too. FailedError.
        """
        started = time.monotonic()
        with ExitStack() as retrying:
            for attempt in itertools.count():
                answer, trouble, pause = self._try(method, target, key=key, **options)
                if answer is not None:
                    self._tally.record_duration(time.monotonic() - started)
                    return self._check(operation, answer, refusals)
                if attempt == 0:
                    retrying.enter_context(self._tally.retrying())
                self._note(operation, trouble)
                if time.monotonic() - started > PATIENCE_SECONDS:
                    self._give_up(operation, f"{trouble} for {PATIENCE_SECONDS:.0f} s")
                time.sleep(self._pause(attempt) if pause is None else pause)
        raise AssertionError("never reached")

    def close(self) -> None:
        """Close its connections."""
        for each in self._clients:
            each.close()

    def _check(self, operation: str, answer: Answer, refusals: Sequence[str]) -> Answer:
        if answer.ok:
            self._tally.count(self._tally.done, operation)
            return answer
        code = answer.body["code"] if isinstance(answer.body, dict) else "no JSON"
        if code not in refusals:
            self._give_up(operation, f"{answer.status} {answer.content[:300]!r}")
        self._tally.count(self._tally.refused, f"{operation} {code}")
        return answer

    def _give_up(self, operation: str, why: str) -> NoReturn:
        self._tally.failed.append(f"{operation}: {why}")
        raise FailedError(f"{operation}: {why}")

    def _note(self, operation: str, trouble: str) -> None:
        self._tally.count(self._tally.repeats, trouble)
        if trouble.startswith("500"):
            self._tally.count(self._tally.bugs, operation)

    def _pause(self, attempt: int) -> float:
        longest: float = min(FIRST_PAUSE_SECONDS * 2 ** min(attempt, 9), LONGEST_PAUSE_SECONDS)
        return longest * self._chance.uniform(0.5, 1)

    def _try(
        self, method: str, target: str, **options: Any
    ) -> tuple[Answer | None, str, float | None]:
        """An answer; or what went wrong instead, and the wait the server asked for, if any."""
        try:
            response = self._client.send(method, self._at_its_server(target), **options)
        except requests.RequestException as error:
            self._root, self._client = next(self._turns)
            return None, _trouble(error), None
        body = _json(response)
        code = body.get("code", "") if isinstance(body, dict) else ""
        if response.status_code in RETRIED or code == "idempotency_in_progress":
            after = response.headers.get("Retry-After")
            return None, f"{response.status_code} {code}", float(after) if after else None
        following = response.links.get("next", {}).get("url")
        return Answer(response.status_code, body, response.content, following), "", None

    def _at_its_server(self, target: str) -> str:
        if not target.startswith("http"):
            return target
        parts = urlsplit(target)
        return f"{self._root}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _trouble(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    refused = "refused" in str(error)
    return "connection refused" if refused else "connection lost before the answer"


def _json(response: requests.Response) -> Any:
    if response.headers.get("Content-Type", "").startswith("application/json"):
        return response.json()
    return None
