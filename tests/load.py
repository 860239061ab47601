"""Clients that order again and again, and what must be true afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.models import Job, User
from services import grants, ledger
from tests.live import Bot, done, order
from tests.wire import wait_until

CLIENTS = 6
PRICE, TOKENS = 5, Decimal(100_000)
RECOVERY_SECONDS = 60
PHOTO = (Path(__file__).parents[1] / "local/samples/tiny_portrait_150px.jpg").read_bytes()


@dataclass
class Attempt:
    """One request and its outcome; no status when the connection broke."""

    at: float
    seconds: float
    status: int | None
    code: str | None
    retry_after: str | None


class Load:
    """Clients that order without pause and repeat each order until it is acknowledged."""

    def __init__(self, bot: Bot, engine: Engine, *, pause: float = 0) -> None:
        self.attempts: list[Attempt] = []
        self.orders: dict[str, str] = {}  # Idempotency-Key -> id of the acknowledged job
        self.users = [bot.register()["id"] for _ in range(CLIENTS)]
        self._bot = bot
        self._engine = engine
        self._pause = pause  # seconds, so that others on this machine get their turn
        self._stopping = threading.Event()
        with Session(engine) as session, session.begin():
            for user_id in self.users:
                grants.grant(session, user_id, TOKENS, key="load", reason="-")
        self.picture = done(bot.upload(PHOTO), 201)["id"]
        # Connections that stay open, as those of a bot do: a server that is killed breaks them.
        bot.session.headers.pop("Connection", None)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the clients during the block, and until every order is acknowledged."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._buy, user_id) for user_id in self.users]
            try:
                yield
            finally:
                self._stopping.set()
            for client in clients:
                client.result()

    def wait_for(self, orders: int) -> None:
        """Wait until so many more orders have been acknowledged."""
        wanted = len(self.orders) + orders
        wait_until(lambda: len(self.orders) >= wanted, RECOVERY_SECONDS)

    def done(self) -> int:
        """How many jobs workers have finished."""
        query = select(func.count()).where(Job.user_id.in_(self.users), Job.status == "done")
        with Session(self._engine) as session:
            return session.scalar(query) or 0

    def require_everything_kept(self) -> None:
        """Exactly one job and one charge for each acknowledged order; the books add up."""
        with Session(self._engine) as session, session.begin():
            jobs = session.scalars(select(Job.id).where(Job.user_id.in_(self.users)))
            assert sorted(map(str, jobs)) == sorted(self.orders.values())
            spent = session.scalars(select(User.balance_tokens).where(User.id.in_(self.users)))
            assert sum(TOKENS - balance for balance in spent) == PRICE * len(self.orders)
            assert not any(ledger.violations(session).values())

    def _buy(self, user_id: str) -> None:
        wish = order(user_id, self.picture)
        while not self._stopping.is_set():
            key = uuid4().hex
            self.orders[key] = self._until_done(partial(self._bot.post, "/jobs", wish, key=key))
            self._attempt(partial(self._bot.get, f"/users/{user_id}"))
            self._stopping.wait(self._pause)

    def _until_done(self, send: Callable[[], requests.Response]) -> str:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (made := self._attempt(send)) is None:
            assert time.monotonic() < deadline, self.attempts[-CLIENTS:]
            time.sleep(0.05)
        return str(made["id"])

    def _attempt(self, send: Callable[[], requests.Response]) -> Any:
        started = time.monotonic()
        try:
            answer = send()
        except requests.ConnectionError:
            self.attempts.append(Attempt(started, time.monotonic() - started, None, None, None))
            return None
        body, retry_after = answer.json(), answer.headers.get("Retry-After")
        code = None if answer.ok else body["code"]
        seconds = time.monotonic() - started
        self.attempts.append(Attempt(started, seconds, answer.status_code, code, retry_after))
        return body if answer.ok else None
