"""A sandbox per test, gateways to it with short timeouts, and their webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from local.sandbox import Options
from providers.http import Patience
from providers.payments import Checkout, CheckoutRequest, Event, Gateway, Hint, Notice, PaymentRef
from providers.payments.stripe import StripeGateway
from providers.payments.yookassa import YooKassaGateway
from tests.payment_world import Posted, Sandbox, Shop, payment_sandbox, shop_webhook

KEYS = Options()
QUICK = Patience(read_seconds=30, total_seconds=60, first_pause_seconds=0.01, at_once=8)
HASTY = replace(QUICK, read_seconds=0.5, total_seconds=3)  # for providers that hang


@dataclass
class GatewayWorld:
    """A gateway, the sandbox it talks to, and a shop's webhook."""

    name: str
    gateway: Gateway
    world: Sandbox
    shop: Shop

    def lose_patience(self) -> None:
        """From now on the gateway waits for half a second only."""
        self.gateway = GATEWAYS[self.name](self.world, patience=HASTY)

    def order(self, **changes: Any) -> CheckoutRequest:
        """20 tokens for 199 rubles."""
        wanted: dict[str, Any] = {
            "payment_id": uuid4(),
            "user_id": uuid4(),
            "amount": Decimal("199.00"),
            "tokens": Decimal(20),
            "currency": "RUB",
            "title": "20 токенов",
            "description": "Пополнение баланса: 20 токенов",
            "return_url": "https://t.me/example_bot",
            "payer_telegram_id": "555001",
        }
        return CheckoutRequest(**(wanted | changes))

    def ref(self, order: CheckoutRequest, page: Checkout, charge: str | None = None) -> PaymentRef:
        """The payment as our tables would know it."""
        return PaymentRef(
            payment_id=order.payment_id,
            reference=page.reference,
            charge_reference=charge,
            asked_minor=page.asked_minor,
            asked_currency=page.asked_currency,
            payer_telegram_id=order.payer_telegram_id,
            created_at=datetime.now(UTC),
        )

    def act(self, page: Checkout, action: str, **body: Any) -> Any:
        """Pay, decline, expire... the payment of this page."""
        kind = {"yookassa": "payments", "stripe": "sessions"}[self.name]
        return self.world.control("POST", f"/{self.name}/{kind}/{page.reference}/{action}", **body)

    def listen(self) -> None:
        """Have events posted to the shop from now on."""
        self.world.control("PUT", f"/{self.name}/webhook", url=self.shop.url)

    def read(self, posted: Posted) -> Event | None:
        """Parse a request to the webhook, without calling the provider."""
        return self.gateway.parse_event(
            posted.raw, posted.headers, client_ip="127.0.0.1", now=datetime.now(UTC)
        )

    def notices(self, count: int) -> list[Notice]:
        """Notices from `count` posted events, with hints confirmed."""
        events = [self.read(posted) for posted in self.shop.wait_for(count)]
        hints = [self.gateway.confirm(e) if isinstance(e, Hint) else e for e in events]
        return [event for event in hints if isinstance(event, Notice)]


def yookassa(world: Sandbox, **more: Any) -> YooKassaGateway:
    """A gateway to the sandbox's YooKassa."""
    options: dict[str, Any] = {"patience": QUICK} | more
    return YooKassaGateway(
        world.yookassa, KEYS.yookassa_shop_id, KEYS.yookassa_secret_key, **options
    )


def stripe(world: Sandbox, **more: Any) -> StripeGateway:
    """A gateway to the sandbox's Stripe."""
    secrets = KEYS.stripe_webhook_secrets
    options: dict[str, Any] = {"webhook_secrets": secrets, "patience": QUICK} | more
    return StripeGateway(world.stripe, KEYS.stripe_secret_key, **options)


GATEWAYS: dict[str, Callable[..., Gateway]] = {"yookassa": yookassa, "stripe": stripe}


@pytest.fixture
def payments() -> Iterator[Sandbox]:
    with payment_sandbox() as opened:
        yield opened


@pytest.fixture
def shop() -> Iterator[Shop]:
    with shop_webhook() as opened:
        yield opened
