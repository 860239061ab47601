"""Strangers at each server, on connections that stay open: who registers, who reads, who asks
whether it is ready. They never send anything twice, and write down what they met.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import requests

from local.client import Client

WRITE_SECONDS, READ_SECONDS, READY_SECONDS = 0.05, 0.1, 0.25
NEWEST = 500  # of what was met, of which somebody is read
LIMIT_SECONDS = 90.0
WELL = "well"
Answer = tuple[int, str]  # status and note


class StillAwayError(RuntimeError):
    """Nobody could write for LIMIT_SECONDS."""


@dataclass(frozen=True)
class Met:
    """One answer, with its moments; status 0 when there was none. note: the id of who was
    registered, or WELL of a server that finds nothing wrong.
    """

    began: float
    ended: float
    status: int
    note: str = ""


@dataclass
class Watch:
    """The strangers at `urls`, and everything they met, by what they do and in which place."""

    urls: Sequence[str]
    key: str
    writes: list[list[Met]] = field(default_factory=list)
    reads: list[list[Met]] = field(default_factory=list)
    ready: list[list[Met]] = field(default_factory=list)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """They come at the beginning of the block and leave at its end."""
        stopping = threading.Event()
        with ThreadPoolExecutor(3 * len(self.urls)) as pool:
            kinds = (
                (self.writes, _register, WRITE_SECONDS),
                (self.reads, self._read, READ_SECONDS),
                (self.ready, _ask, READY_SECONDS),
            )
            running = []
            for (met, call, pause), url in itertools.product(kinds, self.urls):
                met.append([])
                client = Client(f"{url}/api", self.key)
                running.append(pool.submit(_repeat, call, client, met[-1], pause, stopping))
            try:
                yield
            finally:
                stopping.set()
            for each in running:
                each.result()

    def wait_for_writes(self) -> None:
        """Wait until each server has acknowledged a write that begins now. StillAwayError."""
        since = time.monotonic()
        while not all(any(m.began > since and m.note for m in met[-40:]) for met in self.writes):
            if time.monotonic() - since > LIMIT_SECONDS:
                raise StillAwayError(f"no write for {LIMIT_SECONDS:.0f} s")
            time.sleep(0.05)

    def longest_silence(self, since: float) -> float:
        """The longest time since then in which one of the servers acknowledged no write."""
        longest = 0.0
        for met in self.writes:
            moments = [since, *(m.ended for m in list(met) if m.note and m.ended > since)]
            gaps = [after - before for before, after in itertools.pairwise(moments)]
            longest = max(longest, *gaps, 0.0)
        return longest

    def acknowledged(self) -> set[str]:
        """The users who were told that they are registered."""
        return {m.note for met in self.writes for m in list(met) if m.note}

    def statuses(self, kind: list[list[Met]], since: float, until: float) -> Counter[int]:
        """How often each status was met between two moments."""
        return Counter(
            m.status for met in kind for m in list(met) if m.began > since and m.ended < until
        )

    def _read(self, client: Client) -> Answer:
        known = [m.note for met in self.writes for m in met[-NEWEST:] if m.note]
        path = f"/users/{random.choice(known)}" if known else "/tariffs"
        return client.send("GET", path).status_code, ""


def _register(client: Client) -> Answer:
    answer = client.send("POST", "/users/register-or-login", json={"telegramId": uuid4().hex})
    return answer.status_code, answer.json()["id"] if answer.ok else ""


def _ask(client: Client) -> Answer:
    answer = client.send("GET", "/health/ready")
    well = all(check["ok"] for check in answer.json()["checks"].values())
    return answer.status_code, WELL if well else ""


def _repeat(
    call: Callable[[Client], Answer],
    client: Client,
    met: list[Met],
    pause: float,
    stopping: threading.Event,
) -> None:
    with client:
        while not stopping.wait(pause):
            began = time.monotonic()
            try:
                status, note = call(client)
            except (requests.RequestException, ValueError, LookupError):  # cut off, perhaps
                status, note = 0, ""
            met.append(Met(began, time.monotonic(), status, note))
