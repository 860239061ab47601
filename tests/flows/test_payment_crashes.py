"""kill -9 of server and workers while people order, pay and get refunds.

The providers stay up. They repeat their webhooks, and the bot repeats its requests with their keys,
until they are acknowledged. In the end nothing is lost, and nothing has happened twice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import func, select

from db import transaction
from db.models import IdempotencyKey, Job, Payment, Transaction
from local.processes import comes_true
from tests import provider_world
from tests.live import done, order
from tests.provider_world import PROVIDERS, TOKENS, ProviderWorld
from tests.wire import wait_until

KILLS, PAID = 7, 3  # at least
CLIENTS = 6
PATIENCE_SECONDS = 180
PHOTO = (Path(__file__).parents[2] / "local/samples/tiny_portrait_150px.jpg").read_bytes()
JOB_TOKENS, REFUND_MINOR, REFUND_TOKENS = 5, 5000, 5


@pytest.fixture
def till(database: str, tmp_path: Path) -> Iterator[ProviderWorld]:
    """With two server processes, and a short pre-checkout deadline in Telegram."""
    with provider_world.provider_world(
        tmp_path, WEB_CONCURRENCY="2", SERVER_THREADS="4"
    ) as running:
        running.sandbox.control("PUT", "/telegram/pre-checkout", seconds=2)
        yield running


class Shoppers:
    """Customers who order, pay and sometimes get a partial refund, each until stopped."""

    def __init__(self, till: ProviderWorld, chance: Random) -> None:
        self.till = till
        self._chance = chance
        self.picture = done(till.bot.upload(PHOTO), 201)["id"]
        self.users = [till.customer() for _ in range(CLIENTS)]
        self.answers: dict[str, set[str]] = defaultdict(set)  # Idempotency-Key -> ids heard
        self.intents: dict[str, dict[str, Any]] = {}
        self.paid: Counter[str] = Counter()  # id of a payment -> how often its customer paid
        self.refunded: set[str] = set()
        self.repeats = 0
        self.stopping = threading.Event()

    @contextmanager
    def shopping(self) -> Iterator[None]:
        """Run them during the block, and until each has finished."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            threads = [pool.submit(self._shop, user) for user in self.users]
            try:
                yield
            finally:
                self.stopping.set()
            for thread in threads:
                thread.result()

    def _shop(self, user: dict[str, Any]) -> None:
        for provider in cycle(self._chance.sample(PROVIDERS, 3)):
            if self.stopping.is_set():
                return
            self._send_until_answered("/jobs", order(user["id"], self.picture))
            wish = {"userId": user["id"], "provider": provider, "amountRub": provider_world.RUB}
            intent = self._send_until_answered("/payments/intents", wish)
            self.intents[intent["id"]] = intent
            if self._chance.random() < 0.9:
                self._pay(user, intent)

    def _pay(self, user: dict[str, Any], intent: dict[str, Any]) -> None:
        outcome = self.till.pay(user, intent)
        if outcome["status"] in ("timeout", "refused"):
            return  # the bot was dead for too long; nobody's money has moved
        self.paid[intent["id"]] += 1
        if intent["provider"] == "yookassa" and self._chance.random() < 0.5:
            self.till.dashboard_refund(intent, REFUND_MINOR)
            self.refunded.add(intent["id"])

    def _send_until_answered(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered, and once more."""
        key, deadline = uuid4().hex, time.monotonic() + PATIENCE_SECONDS
        answer = None
        for attempt in range(10**6):
            heard = self._try(path, body, key)
            if heard is not None:
                self.answers[key].add(heard["id"])
                if answer is not None or self._chance.random() < 0.8:
                    return heard
                answer = heard
            self.repeats += attempt > 0
            assert time.monotonic() < deadline, f"{path} is never acknowledged"
            time.sleep(self._chance.uniform(0, 0.2))
        raise AssertionError

    def _try(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any] | None:
        try:
            answer = self.till.bot.post(path, body, key=key)
        except requests.RequestException:
            return None
        if answer.status_code == 503 or answer.json().get("code") == "idempotency_in_progress":
            return None
        acknowledged: dict[str, Any] = done(answer, 201)
        return acknowledged


class Killer:
    """Kills processes without warning, and starts them again."""

    def __init__(self, till: ProviderWorld, chance: Random) -> None:
        self.kills: Counter[str] = Counter()
        self._till = till
        self._chance = chance
        self._workers = [till.start_worker() for _ in range(2)]
        kinds = (self._server, self._server_process, self._worker)
        self._victims = chance.choices(kinds, (1, 2, 2), k=100) + chance.sample(kinds, 3)

    def strike(self, progress: Callable[[], int]) -> None:
        """Kill one at a random moment after some work: at its start it would prove nothing."""
        before = progress()
        wait_until(lambda: progress() > before, PATIENCE_SECONDS)
        time.sleep(self._chance.uniform(0, 0.4))
        what = self._victims.pop()
        self.kills[what.__name__.strip("_")] += 1
        what()

    def rest(self) -> None:
        """Stop the workers for good."""
        for worker in self._workers:
            worker.kill()

    def _server(self) -> None:
        self._till.server.kill()
        self._till.server.start()

    def _server_process(self) -> None:
        if workers := self._till.server.workers():
            self._chance.choice(workers).kill()

    def _worker(self) -> None:
        self._workers.pop(0).kill()
        self._workers.append(self._till.start_worker())


def rows_of(users: list[UUID]) -> tuple[dict[str, Payment], Counter[str], Counter[str]]:
    """Their payments by id, how many purchases each has, and how many jobs in each status."""
    with transaction() as session:
        payments = session.scalars(select(Payment).where(Payment.user_id.in_(users))).all()
        bought = session.execute(
            select(Transaction.payment_id, func.count())
            .where(Transaction.user_id.in_(users), Transaction.type == "purchase")
            .group_by(Transaction.payment_id)
        )
        jobs = session.execute(
            select(Job.status, func.count()).where(Job.user_id.in_(users)).group_by(Job.status)
        )
        purchases = Counter({str(payment_id): number for payment_id, number in bought})
        counted = Counter({str(status): number for status, number in jobs})
        return {str(each.id): each for each in payments}, purchases, counted


def test_kill_9_loses_and_doubles_nothing(till: ProviderWorld, chance: Random) -> None:
    shoppers, killer = Shoppers(till, chance), Killer(till, chance)
    users = [UUID(user["id"]) for user in shoppers.users]
    try:
        with shoppers.shopping():
            while killer.kills.total() < KILLS or len(shoppers.paid) < PAID:
                killer.strike(lambda: len(shoppers.answers))
        # If they are not settled in time, the assertions below say in what, with the whole story.
        comes_true(lambda: settled(shoppers, users), PATIENCE_SECONDS)
    finally:
        killer.rest()

    payments, purchases, jobs = rows_of(users)
    # Customers who spend all tokens before their refund arrives have less to give back.
    shortfall = sum(row.shortfall_tokens for row in payments.values())
    story = (
        f"{sum(killer.kills.values())} kills {dict(killer.kills)}, {shoppers.repeats} repeats, "
        f"{len(shoppers.intents)} intents, {len(shoppers.paid)} paid, "
        f"{len(shoppers.refunded)} refunded ({shortfall} tokens short), jobs {dict(jobs)}"
    )
    print(story)
    assert all(len(ids) == 1 for ids in shoppers.answers.values()), story
    assert set(payments) == set(shoppers.intents), story
    assert purchases == shoppers.paid, story
    for payment_id, intent in shoppers.intents.items():
        payment = payments[payment_id]
        paid, returned = payment_id in shoppers.paid, payment_id in shoppers.refunded
        status = "partly_refunded" if returned else "succeeded" if paid else "pending"
        assert (payment.status, payment.reference) == (status, intent["reference"]), story
    asked = till.sandbox.keys("/yookassa/v3/payments")
    assert asked == {each for each, row in payments.items() if row.provider == "yookassa"}, story
    with transaction() as session:
        keys = session.execute(
            select(IdempotencyKey.key, IdempotencyKey.payment_id).where(
                IdempotencyKey.key.in_(shoppers.answers), IdempotencyKey.payment_id.is_not(None)
            )
        ).all()
    assert {key: {str(payment_id)} for key, payment_id in keys} == {
        key: ids for key, ids in shoppers.answers.items() if ids <= set(payments)
    }, story
    balances = sum(till.bot.balance(user_id) for user_id in users)
    taken_back = REFUND_TOKENS * len(shoppers.refunded) - shortfall
    spent = JOB_TOKENS * jobs["done"] + taken_back
    assert balances == TOKENS * shoppers.paid.total() - spent, story
    assert provider_world.books() == {}, story


def settled(shoppers: Shoppers, users: list[UUID]) -> bool:
    """Whether all payments, refunds and paid orders are finished."""
    payments, _, jobs = rows_of(users)
    paid = {each for each, row in payments.items() if row.paid_at}
    returned = {each for each, row in payments.items() if row.status == "partly_refunded"}
    running = jobs["queued"] + jobs["processing"]
    return (paid, returned, running) == (set(shoppers.paid), shoppers.refunded, 0)
