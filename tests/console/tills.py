"""The console beside simulated providers, and what people have paid there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

import settings
from db import transaction
from db.types import now
from providers import registry
from services import payments
from tests.factories import make_user
from tests.provider_world import CountingSandbox, counting_sandbox, environ
from workflows import checkout


@contextmanager
def connected() -> Iterator[CountingSandbox]:
    """Providers that this process is connected to."""
    with counting_sandbox() as simulated, pytest.MonkeyPatch.context() as patch:
        for name, value in environ(simulated).items():
            patch.setenv(name, value)
        patch.setenv("REQUIRE_CONSENT", "false")
        _forget()
        yield simulated
    _forget()


def _forget() -> None:
    settings.load.cache_clear()
    registry.gateway.cache_clear()


def paid(sandbox: CountingSandbox, **person: Any):
    """A person, and their payment of 200 rubles that Stripe knows as paid, and we do not yet."""
    user = make_user(**person)
    with transaction() as session:
        payment = payments.open(
            session, user.id, amount_rub=Decimal(200), provider="stripe", plan=None, now=now()
        )
    payment = checkout.ensure(payment.id)
    sandbox.control("POST", f"/stripe/sessions/{payment.reference}/pay")
    return user, payment
