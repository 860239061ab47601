"""Providers that hang, drop, refuse or never call back: no payment is lost or made twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from db import transaction
from db.models import Payment
from db.rows import PaymentRow
from db.types import now
from services import ledger, locked_payments, payments, settlement
from tests.live import done, refused, unchanged
from tests.locks import wait_for_a_waiter
from tests.provider_world import OPTIONS, PROVIDERS, TOKENS, ProviderWorld
from tests.threads import at_once
from tests.wire import wait_until

CREATE = {
    "yookassa": ("create_payment", "/yookassa/v3/payments"),
    "stripe": ("create_session", "/stripe/v1/checkout/sessions"),
    "telegram": (
        "createInvoiceLink",
        f"/telegram/bot{OPTIONS.telegram_bot_token}/createInvoiceLink",
    ),
}
LONG_SECONDS = 300  # nobody waits so long
ALWAYS = 50

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@contextmanager
def failing(till: ProviderWorld, provider: str, kind: str, **script: Any) -> Iterator[None]:
    """During the block, creating a payment page fails like this."""
    script = {"times": ALWAYS, "call": CREATE[provider][0]} | script
    till.sandbox.inject_fault(provider, kind, **script)
    try:
        yield
    finally:
        till.sandbox.clear_faults(provider)


def only_payment(user: dict[str, Any]) -> PaymentRow:
    """Our row of the one payment that the user has."""
    with transaction() as session:
        newest = payments.listed(session, limit=50).rows
    (payment,) = [each for each in newest if str(each.user_id) == user["id"]]
    return payment


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("drop", {}),
        ("drop", {"after": True}),
        ("html", {}),
        ("html", {"after": True}),
        ("status", {"status": 500}),
        ("status", {"status": 503}),
    ],
)
def test_an_intent_survives_a_provider_in_trouble(
    till: ProviderWorld, kind: str, script: dict[str, Any]
) -> None:
    def survive(provider: str) -> None:
        user, key = till.customer(), uuid4().hex
        with failing(till, provider, kind, **script):
            answer = till.request_intent(user, provider, key=key)
            refused(answer, "provider_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            payment = only_payment(user)
            assert (payment.status, payment.payment_url) == ("pending", None)
            assert payment.last_error
            assert till.history(user) == [("gateway_payment", "pending", 0)]
        intent = done(till.request_intent(user, provider, key=key), 201)
        assert intent["id"] == str(payment.id)
        if provider != "telegram":  # it knows no keys; pre-checkout lets one of its links be paid
            keys = till.sandbox.keys(CREATE[provider][1])
            assert {each for each in keys if intent["id"] in each} == {intent["id"]}
        till.pay(user, intent)
        assert till.wait_for(intent, "succeeded").last_error is None
        assert till.history(user)[1:] == [("gateway_payment", "success", 0)]

    # Stripe replays what it has carried out to the next attempt with the same key, even if the
    # first answer was lost: nothing is left to survive.
    at_stake = ("yookassa", "telegram") if script.get("after") else PROVIDERS
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(survive, at_stake))


def test_trouble_that_passes_at_once_is_not_noticed(till: ProviderWorld) -> None:
    def shrug(provider: str) -> None:
        for kind, script in (
            ("drop", {}),
            ("drop", {"after": True}),
            ("html", {"after": True}),
            ("status", {"status": 500, "after": True}),
            ("status", {"status": 429, "retry_after": 1}),
        ):
            with failing(till, provider, kind, times=1, **script):
                user = till.customer()
                intent = till.intent(user, provider)
        till.pay(user, intent)
        till.wait_for(intent, "succeeded")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(shrug, PROVIDERS))


def test_a_500_stored_by_stripe_is_avoided_with_another_key(till: ProviderWorld) -> None:
    with failing(till, "stripe", "status", status=500, after=True, times=1):
        intent = till.intent(till.customer(), "stripe")
    keys = till.sandbox.keys(CREATE["stripe"][1])
    ours = {each for each in keys if intent["id"] in each}
    assert len(ours) == 2 and intent["id"] in ours


@pytest.mark.parametrize("provider", ["yookassa", "stripe"])
def test_the_provider_s_own_time_to_wait_is_passed_on(till: ProviderWorld, provider: str) -> None:
    with failing(till, provider, "status", status=429, retry_after=37):
        asked = till.sandbox.calls(CREATE[provider][1])
        answer = till.request_intent(till.customer(), provider)
        assert till.sandbox.calls(CREATE[provider][1]) == asked + 1, "nobody waited to ask again"
    refused(answer, "provider_unavailable")
    assert answer.headers["Retry-After"] == "37"


def test_a_provider_that_hangs_is_given_up_in_time_and_holds_nobody_else_up(
    till: ProviderWorld,
) -> None:
    user, keys = till.customer(), {provider: uuid4().hex for provider in ("yookassa", "stripe")}
    crowd = [till.customer() for _ in range(5)]

    with (
        failing(till, "yookassa", "hang", seconds=LONG_SECONDS),
        failing(till, "stripe", "hang", seconds=LONG_SECONDS),
        ThreadPoolExecutor(len(crowd) + 2) as pool,
    ):
        asking = [pool.submit(till.request_intent, user, each, key=keys[each]) for each in keys]
        others = [pool.submit(till.request_intent, each, "yookassa") for each in crowd]
        reads = 0
        while not any(each.done() for each in asking):
            till.bot.balance(user["id"])
            reads += 1
            time.sleep(0.1)
        for answer in (each.result() for each in [*asking, *others]):
            refused(answer, "provider_unavailable")
        for provider in keys:
            assert till.sandbox.hanging(provider), "its calls were given up, not waited for"
    assert reads > 10, "a read waited for a provider"
    for provider, key in keys.items():
        # Until the provider is done with the call that was given up, the key is in use.
        wait_until(lambda p=provider, k=key: till.request_intent(user, p, key=k).ok)
        till.pay(user, intent := done(till.request_intent(user, provider, key=key), 201))
        till.wait_for(intent, "succeeded")
    assert till.bot.balance(user["id"]) == 2 * TOKENS


@each_provider
def test_a_refusal_is_final_and_closes_the_payment(till: ProviderWorld, provider: str) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, provider, "status", status=400):
        first = till.request_intent(user, provider, key=key)
    refused(first, "provider_rejected")
    payment = only_payment(user)
    assert payment.status == "canceled" and payment.last_error
    assert till.history(user) == [("gateway_payment", "failed", 0)]
    asked = till.sandbox.calls()
    with unchanged():
        again = till.request_intent(user, provider, key=key)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert till.sandbox.calls() == asked
    assert till.intent(user, provider, key=uuid4().hex)["id"] != str(payment.id)


@each_provider
def test_twins_hear_the_same_refusal(till: ProviderWorld, provider: str) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, provider, "status", status=400):
        for answer in at_once(lambda: till.request_intent(user, provider, key=key), 6):
            refused(answer, "provider_rejected")
    assert only_payment(user).status == "canceled"


@pytest.mark.parametrize("status", [401, 403])
@each_provider
def test_a_key_that_is_not_accepted_is_our_trouble_not_the_customer_s(
    till: ProviderWorld, provider: str, status: int
) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, provider, "status", status=status):
        answer = till.request_intent(user, provider, key=key)
    refused(answer, "provider_unavailable")
    assert int(answer.headers["Retry-After"]) >= 60
    assert done(till.request_intent(user, provider, key=key), 201)["id"] == str(
        only_payment(user).id
    )
    assert any(line["logger"].startswith("providers.") for line in till.server.errors())


def test_a_payment_closed_before_it_had_a_page_is_not_offered(till: ProviderWorld) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, "yookassa", "html"):
        refused(till.request_intent(user, "yookassa", key=key), "provider_unavailable")
    with transaction() as session:  # as when the process ends just after the provider's refusal
        settlement.close(session, only_payment(user).id, "canceled")
    asked = till.sandbox.calls()
    for _ in range(2):
        refused(till.request_intent(user, "yookassa", key=key), "provider_rejected")
    assert till.sandbox.calls() == asked


def test_a_payment_paid_before_we_knew_its_page_is_told_as_paid(till: ProviderWorld) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, "yookassa", "drop", after=True):
        refused(till.request_intent(user, "yookassa", key=key), "provider_unavailable")
    reference = till.yookassa("payments", limit=1)[0]["id"]
    till.sandbox.control("POST", f"/yookassa/payments/{reference}/pay")
    wait_until(lambda: only_payment(user).status == "succeeded")
    intent = done(till.request_intent(user, "yookassa", key=key), 201)
    assert (intent["reference"], intent["status"]) == (reference, "succeeded")
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_refusal_and_a_webhook_do_not_wait_for_each_other_in_a_circle(
    till: ProviderWorld,
) -> None:
    user, key = till.customer(), uuid4().hex
    with failing(till, "stripe", "html"):
        refused(till.request_intent(user, "stripe", key=key), "provider_unavailable")
    payment = only_payment(user)
    with failing(till, "stripe", "status", status=400), ThreadPoolExecutor(1) as pool:
        with transaction() as session:  # what a webhook does: first the user, then the payment
            ledger.lock(session, UUID(user["id"]))
            asking = pool.submit(till.request_intent, user, "stripe", key=key)
            wait_for_a_waiter()
            locked_payments.lock(session, payment.id)
        refused(asking.result(), "provider_rejected")


def due_now(*intents: UUID) -> None:
    """Make the reconciler's next turn check these, and no others."""
    with transaction() as session:
        session.execute(update(Payment).values(next_check_at=None))
        session.execute(
            update(Payment)
            .where(Payment.id.in_(intents), Payment.status == "pending")
            .values(next_check_at=now())
        )


def abandoned(user: dict[str, Any], provider: str) -> UUID:
    """A payment whose request died before the provider was called, and was never repeated."""
    with transaction() as session:
        return payments.open(
            session,
            UUID(user["id"]),
            amount_rub=Decimal(200),
            provider=provider,
            plan=None,
            now=now(),
        ).id


def end_time(*intents: UUID) -> None:
    """Let the time to pay expire."""
    with transaction() as session:
        session.execute(
            update(Payment)
            .where(Payment.id.in_(intents))
            .values(expires_at=now() - timedelta(seconds=1))
        )


def pay_in_silence(till: ProviderWorld, user: dict[str, Any]) -> dict[str, Any]:
    """Pay in Telegram past pre-checkout, but without the update that it was paid."""
    intent = till.intent(user, "telegram")
    till.sandbox.control("PUT", "/telegram/pace", paused=False, delay_seconds=1)
    assert till.pay(user, intent)["status"] == "paid"
    till.sandbox.control("PUT", "/telegram/pace", paused=True, delay_seconds=0)
    return intent


def test_a_payment_without_webhooks_is_found_by_one_of_the_workers(till: ProviderWorld) -> None:
    user = till.customer()
    till.deliver_webhooks(False)
    intents = {
        "paid by card": till.intent(user, "yookassa"),
        "paid abroad": till.intent(user, "stripe"),
        "declined": till.intent(user, "yookassa"),
        "left too long": till.intent(user, "yookassa"),
        "closed by Stripe": till.intent(user, "stripe"),
        "never paid, not ended": till.intent(user, "yookassa"),
        "never paid, a day": till.intent(user, "stripe"),
        "never paid in Stars": till.intent(user, "telegram"),
        "still thinking": till.intent(user, "stripe"),
    }
    intents["paid in Stars"] = pay_in_silence(till, user)
    for name in ("paid by card", "paid abroad"):
        till.pay(user, intents[name])
    till.act(intents["declined"], "decline")
    for name in ("left too long", "closed by Stripe"):
        till.act(intents[name], "expire")
    known = {name: UUID(intent["id"]) for name, intent in intents.items()}
    end_time(*(payment for name, payment in known.items() if name.startswith("never paid")))
    known["never asked for"] = abandoned(user, "yookassa")
    known["never asked for in time"] = abandoned(user, "stripe")
    end_time(known["never asked for in time"])
    due_now(*known.values())

    expected = dict.fromkeys(known, "expired") | {
        "paid by card": "succeeded",
        "paid abroad": "succeeded",
        "paid in Stars": "succeeded",
        "declined": "canceled",
        "still thinking": "pending",
        "never asked for": "pending",
        # YooKassa ends it by itself, and until then takes money for it.
        "never paid, not ended": "pending",
    }

    def found() -> dict[str, str]:
        with transaction() as session:
            return {name: payments.get(session, each).status for name, each in known.items()}

    with till.start_worker(), till.start_worker():
        wait_until(lambda: found() == expected)
        wait_until(lambda: till.sandbox.calls(intents["still thinking"]["reference"]) > 0)
    for name, intent in intents.items():
        if intent["provider"] != "telegram":
            # A payment that is to be closed is checked before and after.
            reads = 2 if name.startswith("never paid") else 1
            assert till.sandbox.calls(f"/{intent['reference']} ") == reads, name
    assert till.sandbox.calls(str(known["never asked for in time"])) == 0
    with transaction() as session:
        assert payments.get(session, known["never asked for"]).payment_url
    assert till.bot.balance(user["id"]) == 3 * TOKENS
    before = till.history(user)
    till.deliver_webhooks(True)
    wait_until(lambda: len(till.events(intents["paid in Stars"])) >= 1)
    till.wait_for_delivery()
    assert till.history(user) == before


def test_a_provider_that_is_down_does_not_hold_up_the_others(till: ProviderWorld) -> None:
    user = till.customer()
    till.deliver_webhooks(False)
    unknown = [till.intent(user, "stripe") for _ in range(4)]
    paid = till.intent(user, "yookassa")
    till.pay(user, paid)
    due_now(*(UUID(each["id"]) for each in unknown))
    with transaction() as session:  # the last in the queue
        session.execute(
            update(Payment).where(Payment.id == UUID(paid["id"])).values(next_check_at=now())
        )
    till.sandbox.inject_fault("stripe", "html", call="read_session", times=ALWAYS)
    with till.start_worker():
        till.wait_for(paid, "succeeded")
    asked = [till.sandbox.calls(f"/{each['reference']} ") for each in unknown]
    assert sorted(asked) == [0, 0, 0, 3]
    assert [till.payment(each).status for each in unknown] == ["pending"] * 4
