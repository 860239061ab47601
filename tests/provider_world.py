"""Our server connected to all three providers, simulated by the sandbox."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment

import requests
from werkzeug.wrappers import Request

import settings
from db import reading, snapshot
from db.rows import PaymentRow
from local import sandbox
from local.processes import Child
from services import inbox, ledger, payments
from tests import workers
from tests.live import Bot, Server, done
from tests.payment_world import Sandbox
from tests.sandboxes import served
from tests.wire import wait_until

PROVIDERS = ("yookassa", "stripe", "telegram")
OPTIONS = sandbox.Options()
OLD_STRIPE_SECRET = "whsec_being_rolled_out"
OLD_TELEGRAM_SECRET = "telegram-being-rolled-out"
RUB, TOKENS, STARS = 200, 20, 167


class CountingSandbox(Sandbox):
    """The sandbox, and every call of the providers' APIs: verb, path, idempotency key."""

    def __init__(self, url: str, calls: list[str]) -> None:
        super().__init__(url)
        self._calls = calls

    def calls(self, path: str = "") -> int:
        """How many calls contain `path` in their "POST /yookassa/v3/payments <key>"."""
        return sum(path in call for call in list(self._calls))

    def keys(self, path: str) -> set[str]:
        """The idempotency keys of the POSTs to `path`: one created object each."""
        posts = [call.split() for call in list(self._calls) if call.startswith(f"POST {path} ")]
        return {key for _, _, key in posts}

    def clear_faults(self, provider: str) -> None:
        """Clear scripted faults."""
        self.control("DELETE", f"/{provider}/faults")


@contextmanager
def counting_sandbox() -> Iterator[CountingSandbox]:
    """A fresh sandbox of all three providers, without webhook URLs yet."""
    app, calls = sandbox.create_app(), list[str]()

    def counted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = Request(environ)
        key = asked.headers.get("Idempotence-Key") or asked.headers.get("Idempotency-Key")
        if not asked.path.startswith("/control"):
            calls.append(f"{asked.method} {asked.path} {key}")
        return app(environ, start_response)

    with served(app, behind=counted) as url:
        yield CountingSandbox(url, calls)


def environ(simulated: Sandbox) -> dict[str, str]:
    """Settings that connect a server or worker to the sandbox."""
    return {
        "REQUIRE_CONSENT": "true",
        "SERVER_THREADS": "8",
        "YOOKASSA_API_URL": f"{simulated.url}/yookassa/v3",
        "YOOKASSA_SHOP_ID": OPTIONS.yookassa_shop_id,
        "YOOKASSA_SECRET_KEY": OPTIONS.yookassa_secret_key,
        "STRIPE_API_URL": f"{simulated.url}/stripe",
        "STRIPE_SECRET_KEY": OPTIONS.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRET": f"{OLD_STRIPE_SECRET},{OPTIONS.stripe_webhook_secrets[0]}",
        "TELEGRAM_API_URL": f"{simulated.url}/telegram",
        "TELEGRAM_BOT_TOKEN": OPTIONS.telegram_bot_token,
        "TELEGRAM_BOT_USERNAME": OPTIONS.telegram_bot_username,
        "TELEGRAM_WEBHOOK_SECRET": f"{OLD_TELEGRAM_SECRET},{OPTIONS.telegram_webhook_secret}",
    }


@dataclass
class ProviderWorld:
    """A server, its bot, the providers, and the actions of customers and operators."""

    server: Server
    bot: Bot
    sandbox: CountingSandbox
    environ: dict[str, str] = field(repr=False)
    logs: Path

    def customer(self, **body: str) -> dict[str, Any]:
        """A new user who has given consent."""
        user = self.bot.register(**body)
        done(self.bot.patch(f"/users/{user['id']}/consent", {"consentPd": True}), 200)
        return user

    def request_intent(
        self, user: dict[str, Any], by: str, *, key: str | None = None, **body: Any
    ) -> requests.Response:
        """paymentsCreateIntent, of RUB rubles unless the body says otherwise."""
        wanted = {"userId": user["id"], "provider": by, "amountRub": RUB} | body
        return self.bot.post("/payments/intents", wanted, key=key)

    def intent(self, user: dict[str, Any], provider: str, **body: Any) -> dict[str, Any]:
        """Create a payment that can be paid."""
        intent: dict[str, Any] = done(self.request_intent(user, provider, **body), 201)
        return intent

    def pay(self, user: dict[str, Any], intent: dict[str, Any]) -> dict[str, Any]:
        """Pay as the customer; the provider then notifies us in its own time."""
        if intent["provider"] == "telegram":
            link, payer = intent["paymentUrl"], int(user["telegramId"])
            return self.sandbox.control("POST", "/telegram/pay", link=link, user_id=payer)
        return self.sandbox.control("POST", f"{_path(intent)}/pay")

    def act(self, intent: dict[str, Any], action: str, **body: Any) -> Any:
        """An action on a payment at its provider: decline, expire, dispute."""
        return self.sandbox.control("POST", f"{_path(intent)}/{action}", **body)

    def buy(self, user: dict[str, Any], provider: str, **body: Any) -> dict[str, Any]:
        """Create a payment and pay it, until its tokens are credited."""
        intent = self.intent(user, provider, **body)
        self.pay(user, intent)
        self.wait_for(intent, "succeeded")
        return intent

    def dashboard_refund(self, intent: dict[str, Any], minor: int | None = None) -> None:
        """Refund in the provider's dashboard, as the shop's owner; everything without `minor`."""
        payment = self.payment(intent)
        if intent["provider"] == "yookassa":
            value = f"{(RUB * 100 if minor is None else minor) / 100:.2f}"
            amount = {"value": value, "currency": "RUB"}
            body = {"payment_id": payment.reference, "amount": amount}
            login = (OPTIONS.yookassa_shop_id, OPTIONS.yookassa_secret_key)
            headers = {"Idempotence-Key": os.urandom(8).hex()}
            answer = requests.post(
                f"{self.sandbox.yookassa}/refunds", json=body, auth=login, headers=headers
            )
        elif intent["provider"] == "stripe":
            api = f"{self.sandbox.stripe}/v1"
            headers = {"Authorization": f"Bearer {OPTIONS.stripe_secret_key}"}
            page = requests.get(f"{api}/checkout/sessions/{payment.reference}", headers=headers)
            form = {"payment_intent": page.json()["payment_intent"]}
            form |= {"amount": str(minor)} if minor is not None else {}
            answer = requests.post(f"{api}/refunds", data=form, headers=headers)
        else:
            answer = requests.post(
                f"{self.sandbox.url}/telegram/bot{OPTIONS.telegram_bot_token}/refundStarPayment",
                json={
                    "user_id": int(payment.payer_telegram_id),
                    "telegram_payment_charge_id": payment.charge_reference,
                },
            )
        assert answer.ok, answer.text

    def tell_of_charge(
        self, user: dict[str, Any], intent: dict[str, Any], charge: str, kind: str
    ) -> None:
        """Telegram tells of a charge of an intent's link: successful_payment, refunded_payment."""
        person = {"id": int(user["telegramId"]), "is_bot": False, "first_name": "Анна"}
        paid = {
            "currency": "XTR",
            "total_amount": self.payment(intent).asked_minor,
            "invoice_payload": intent["id"],
            "telegram_payment_charge_id": charge,
            "provider_payment_charge_id": charge,
        }
        chat = {"id": person["id"], "type": "private"}
        message = {"message_id": 1, "date": 1_790_000_000, "chat": chat, "from": person, kind: paid}
        body = json.dumps({"update_id": time.time_ns() % 10**9, "message": message}).encode()
        secret = OPTIONS.telegram_webhook_secret
        done(self.webhook("telegram", body, X_Telegram_Bot_Api_Secret_Token=secret), 200)

    def yookassa(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        """Payments or refunds of the shop, newest first."""
        login = (OPTIONS.yookassa_shop_id, OPTIONS.yookassa_secret_key)
        url = f"{self.sandbox.yookassa}/{collection}"
        listed: list[dict[str, Any]] = requests.get(url, params=query, auth=login).json()["items"]
        return listed

    def payment(self, intent: dict[str, Any]) -> PaymentRow:
        """Our row of a payment."""
        with reading() as reader:
            return payments.get(reader, UUID(intent["id"]))

    def events(self, intent: dict[str, Any]) -> list[tuple[str, str]]:
        """Kind and state of the events of a payment, in order of arrival."""
        with snapshot() as session:
            rows = inbox.of_payment(session, UUID(intent["id"]))
        return [(row.kind, row.state) for row in rows]

    def wait_for(self, intent: dict[str, Any], status: str) -> PaymentRow:
        """Wait until a payment has this status."""
        wait_until(lambda: self.payment(intent).status == status)
        return self.payment(intent)

    def history(self, user: dict[str, Any]) -> list[tuple[str, str, float]]:
        """Type, status and tokens of the user's transactions, newest first."""
        rows = done(self.bot.get("/transactions", userId=user["id"]), 200)
        return [(row["type"], row["status"], row["tokensDelta"]) for row in rows]

    def webhook(self, provider: str, body: bytes, **headers: str) -> requests.Response:
        """A POST to our webhook by anybody."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            f"{self.bot.url}/webhooks/payments/{provider}",
            data=body,
            headers={"Content-Type": "application/json"} | named,
            timeout=30,
        )

    def deliver_webhooks(self, on: bool) -> None:
        """Let the providers' webhooks reach us or not; missed ones are sent afterwards."""
        for provider in ("yookassa", "stripe"):
            self.sandbox.control("PUT", f"/{provider}/webhook", paused=not on)
        self.sandbox.control("PUT", "/telegram/pace", paused=not on)

    def wait_for_delivery(self) -> None:
        """Wait until the providers have told us everything."""

        def delivered() -> bool:
            events = [self.sandbox.control("GET", f"/{each}/events") for each in PROVIDERS[:2]]
            pending = self.sandbox.control("GET", "/telegram/updates")["pending"]
            return not pending and all(row["delivered"] for rows in events for row in rows)

        wait_until(delivered)

    def connect(self) -> None:
        """Tell the providers where our webhooks are, as an operator does in their dashboards."""
        url = f"{self.bot.url}/webhooks/payments"
        for provider in ("yookassa", "stripe"):
            path = f"/{provider}/webhook"
            self.sandbox.control("PUT", path, url=f"{url}/{provider}", retry_scale=0.05)
        done(
            requests.post(
                f"{self.sandbox.url}/telegram/bot{OPTIONS.telegram_bot_token}/setWebhook",
                json={
                    "url": f"{url}/telegram",
                    "secret_token": OPTIONS.telegram_webhook_secret,
                },
            ),
            200,
        )
        self.sandbox.control("PUT", "/telegram/pace", retry_scale=0.05)

    def start_worker(self) -> Child:
        """A worker, connected like the server."""
        return workers.start_worker(self.logs, **self.environ)


@contextmanager
def provider_world(folder: Path, **changes: str) -> Iterator[ProviderWorld]:
    """A server on the database of this run, and a sandbox whose webhooks reach it."""
    with counting_sandbox() as simulated:
        environment = environ(simulated) | changes
        server = Server(folder, state_dir=settings.load().state_dir, **environment)
        server.start()
        try:
            bot = Bot(server.url)
            world = ProviderWorld(server, bot, simulated, environment, folder)
            world.connect()
            with bot:
                yield world
        finally:
            server.stop()
    # Alarms about keys that a provider rejects are not bugs of ours.
    bugs = [line for line in server.errors() if not line["logger"].startswith("providers.")]
    assert not bugs, bugs


def signed(
    event: Any, *secrets: str, at: float | None = None, raw: bytes | None = None
) -> tuple[bytes, str]:
    """Body and Stripe-Signature of an event, as Stripe sends them."""
    body = json.dumps(event).encode() if raw is None else raw
    stamp = int(time.time() if at is None else at)
    marks = [
        hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        for secret in secrets or OPTIONS.stripe_webhook_secrets
    ]
    return body, ",".join([f"t={stamp}", *(f"v1={mark}" for mark in marks)])


def books() -> dict[str, list[str]]:
    """Rules of the ledger that are broken, and where; empty when the books are consistent."""
    with snapshot() as session:
        return {rule: rows for rule, rows in ledger.violations(session).items() if rows}


def _path(intent: dict[str, Any]) -> str:
    kind = {"yookassa": "payments", "stripe": "sessions"}[intent["provider"]]
    return f"/{intent['provider']}/{kind}/{intent['reference']}"
