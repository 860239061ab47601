"""A server with the settings of production: what it believes, and how it takes its leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import settings
from db import transaction
from handlers import ops
from services import inbox
from tests import live
from tests.factories import balance
from tests.live import Bot, Server, done
from tests.payment_events import buyer_with_payment, session_event
from tests.provider_world import TOKENS, ProviderWorld, environ, signed
from tests.wire import wait_until


@pytest.fixture
def server(till: ProviderWorld, tmp_path: Path) -> Iterator[Server]:
    """Only Stripe is connected."""
    production = environ(till.sandbox) | {
        "ENVIRONMENT": "production",
        "SERVER_URL": "https://kreatum.ru/api",
        "STRIPE_API_URL": "https://api.stripe.com",
        "TELEGRAM_BOT_TOKEN": "",
        "YOOKASSA_SECRET_KEY": "",
    }
    with live.serve(tmp_path, state_dir=settings.load().state_dir, **production) as running:
        yield running


def test_money_of_a_test_is_no_money(server: Server) -> None:
    with Bot(server.url) as bot:
        for livemode, tokens in ((False, 0), (True, TOKENS)):
            user_id, payment = buyer_with_payment()
            event = session_event(payment, livemode=livemode) | {"livemode": livemode}
            body, signature = signed(event)
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
            path = "/webhooks/payments/stripe"
            done(bot.send("POST", path, data=body, headers=headers), 200)
            assert balance(user_id) == tokens
            with transaction() as session:
                (stored,) = inbox.of_payment(session, payment.id)
            assert stored.reason == (None if livemode else "test_mode")


def test_readiness_fails_first_and_requests_are_still_taken(server: Server) -> None:
    with Bot(server.url) as bot:
        assert done(bot.get("/health/ready"), 200)["checks"]["server"] == {"ok": True}
        server.ask_to_stop()
        wait_until(lambda: bot.get("/health/ready").status_code == 503)
        checks = done(bot.get("/health/ready"), 503)["checks"]
        assert {name for name in ops.REQUIRED if not checks[name]["ok"]} == {"server"}
        assert bot.get("/tariffs").ok
