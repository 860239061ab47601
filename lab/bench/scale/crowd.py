"""Simulated customers who order, cancel and pay through any of the servers, concurrently."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import requests
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.types import now
from lab.bench.operations import API_KEY, STRIPE_SECRET
from local.client import Client
from local.processes import ROOT
from local.sandbox.clock import Clock
from local.sandbox.stripe.signing import Signer
from services import grants, payments

CUSTOMERS = 12
GRANT, PAID_RUB = Decimal(200), 199
REQUEST_SECONDS = 30
PHOTO = (ROOT / "local/samples/tiny_portrait_150px.jpg").read_bytes()


@dataclass
class Outcome:
    """What happened, and what was found wrong afterwards."""

    orders: int = 0
    repeated: int = 0
    cancelled: int = 0
    payments: int = 0
    requests: int = 0
    killed: int = 0
    done: int = 0
    failed: int = 0
    wrong: list[str] = field(default_factory=list)


class Crowd:
    """Customers who order, cancel and pay through any of the servers."""

    def __init__(self, engine: Engine, urls: list[str], chance: Random) -> None:
        self.outcome = Outcome()
        self.orders: dict[str, str] = {}  # Idempotency-Key -> id of the acknowledged job
        self._engine, self._chance = engine, chance
        self._clients = [Client(url, API_KEY) for url in urls]
        self._signer = Signer(Clock(), [STRIPE_SECRET])
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self.users = [self._register() for _ in range(CUSTOMERS)]
        form = {"type": (None, "image"), "file": ("a.jpg", PHOTO)}
        self._photo = self._send("POST", "/data", files=form).json()["id"]
        for user in self.users[::2]:  # the others must pay before anything starts
            self.grant(user)

    def run(self, seconds: float) -> None:
        """Run all customers concurrently for `seconds`."""
        with ThreadPoolExecutor(CUSTOMERS) as pool:
            futures = [pool.submit(self._shop, user) for user in self.users]
            time.sleep(seconds)
            self._stop.set()
            for future in futures:
                future.result()

    def order(self, user: str) -> str:
        """Order until it is acknowledged, sometimes twice at once; the job's id."""
        key = uuid4().hex
        picture = {"type": "image", "dataId": self._photo}
        body = {"userId": user, "serviceType": "restore", "input": [picture]}
        sends = 2 if self._chance.random() < 0.2 else 1
        with ThreadPoolExecutor(sends) as pool:
            calls = [pool.submit(self._order_until_created, body, key) for _ in range(sends)]
            made = {call.result() for call in calls}
        with self._counting:
            self.outcome.repeated += sends - 1
        if len(made) > 1:
            self.outcome.wrong.append(f"one order made jobs {made}")
        self.orders[key] = made.pop()
        return self.orders[key]

    def grant(self, user: str) -> None:
        """Grant tokens, as the operator."""
        with Session(self._engine) as session, session.begin():
            grants.grant(session, UUID(user), GRANT, key=uuid4().hex, reason="bench")

    def _shop(self, user: str) -> None:
        while not self._stop.is_set():
            job = self.order(user)
            chance = self._chance.random()
            if chance < 0.2:
                answer = self._send("POST", f"/jobs/{job}/cancel")
                with self._counting:
                    self.outcome.cancelled += answer.status_code == 200
            elif chance < 0.5:
                self._pay(user)
            self._send("GET", f"/users/{user}/balance")

    def _pay(self, user: str) -> None:
        """Create a payment, and send the provider's event to every server at the same time."""
        reference = uuid4().hex
        with (
            Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            payment = payments.open(
                *(session, UUID(user)),
                amount_rub=Decimal(PAID_RUB),
                provider="stripe",
                plan="start",
                now=now(),
            )
            payments.attach(
                session,
                payment.id,
                reference=f"cs_{reference}",
                url="https://pay.example/",
                asked_minor=PAID_RUB * 100,
                asked_currency="RUB",
                expires_at=None,
            )
        body = json.dumps(_event(str(payment.id), reference)).encode()
        headers = {"Content-Type": "application/json", **self._signer.headers(body)}
        with ThreadPoolExecutor(len(self._clients)) as pool:
            sent = [
                pool.submit(
                    each.send, "POST", "/webhooks/payments/stripe", data=body, headers=headers
                )
                for each in self._clients
            ]
            answers = [each.result().status_code for each in sent]
        if 200 not in answers:
            self.outcome.wrong.append(f"a paid event was answered {answers}")
        with self._counting:
            self.outcome.payments += 1

    def _order_until_created(self, body: dict[str, Any], key: str) -> str:
        deadline = time.monotonic() + REQUEST_SECONDS
        while time.monotonic() < deadline:
            answer = self._send("POST", "/jobs", json=body, headers={"Idempotency-Key": key})
            if answer.status_code == 201:
                return str(answer.json()["id"])
            time.sleep(0.05)
        raise RuntimeError(f"not acknowledged: {answer.status_code} {answer.text}")

    def _register(self) -> str:
        visitor = {"telegramId": str(self._chance.randrange(10**12, 10**13))}
        return str(self._send("POST", "/users/register-or-login", json=visitor).json()["id"])

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        # All these requests are safe to send again, as a bot does.
        for last in (False, False, True):
            with self._counting:
                self.outcome.requests += 1
            try:
                return self._chance.choice(self._clients).send(method, path, **options)
            except requests.RequestException:
                if last:
                    raise
        raise AssertionError


def _event(payment_id: str, reference: str) -> dict[str, Any]:
    """Stripe's event for a paid session, with the fields that matter here."""
    return {
        "id": f"evt_{reference}",
        "object": "event",
        "created": int(time.time()),
        "data": {
            "object": {
                "id": f"cs_{reference}",
                "object": "checkout.session",
                "amount_subtotal": PAID_RUB * 100,
                "amount_total": PAID_RUB * 100,
                "client_reference_id": payment_id,
                "created": int(time.time()),
                "currency": "rub",
                "livemode": False,
                "metadata": {"payment_id": payment_id},
                "mode": "payment",
                "payment_intent": f"pi_{reference}",
                "payment_status": "paid",
                "status": "complete",
            }
        },
        "livemode": False,
        "type": "checkout.session.completed",
    }
