"""What a bot can ask about a payment: its state, why it was declined, and the provider, now."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from db import transaction
from db.models import Payment
from db.rows import PaymentRow
from db.types import now
from providers.payments import Notice, Outcome
from providers.payments.declines import Decline
from services import declines, payments, settlement
from tests.live import Bot, done, refused, unchanged
from tests.provider_world import PROVIDERS, RUB, STARS, TOKENS, ProviderWorld
from tests.threads import at_once
from tests.wire import wait_until

PAUSE = timedelta(seconds=5)
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
# Telegram asks by webhook before it takes money: one that hears nothing is not paid.
each_by_page = pytest.mark.parametrize("provider", PROVIDERS[:2])


def read(till: ProviderWorld, intent: dict[str, Any]) -> Any:
    return done(till.bot.get(f"/payments/{intent['id']}"), 200)


def ask(till: ProviderWorld, intent: dict[str, Any]) -> Any:
    return done(till.bot.post(f"/payments/{intent['id']}/check"), 200)


def change(intent: dict[str, Any], **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Payment).where(Payment.id == UUID(intent["id"])).values(**values))


@each_provider
def test_a_payment_can_be_read_from_the_intent_to_the_refund(
    till: ProviderWorld, provider: str
) -> None:
    user = till.customer()
    intent = till.intent(user, provider, clientRef="384726159:7")
    waiting = read(till, intent)
    assert waiting.items() >= intent.items()
    assert (waiting["status"], waiting["userId"]) == ("pending", user["id"])
    till.pay(user, intent)
    till.wait_for(intent, "succeeded")
    paid = read(till, intent)
    assert (paid["status"], paid["tokens"], paid["clientRef"]) == (
        "succeeded",
        TOKENS,
        "384726159:7",
    )
    assert paid["paidAt"] and "error" not in paid and "paymentUrl" not in paid
    assert paid.get("stars") == (STARS if provider == "telegram" else None)
    till.dashboard_refund(intent)
    till.wait_for(intent, "refunded")
    returned = read(till, intent)
    assert (returned["refundedRub"], returned["refundedTokens"]) == (RUB, TOKENS)


def test_nobody_s_payment_is_not_found(till: ProviderWorld) -> None:
    with unchanged():
        refused(till.bot.get(f"/payments/{uuid4()}"), "payment_not_found")
        refused(till.bot.post(f"/payments/{uuid4()}/check"), "payment_not_found")
        refused(till.bot.get("/payments/7"), "bad_request")


@pytest.mark.parametrize("word", ["insufficient_funds", "card_expired", "nobody_knows_this"])
def test_a_bank_that_declines_is_heard(till: ProviderWorld, word: str) -> None:
    intent = till.intent(till.customer(), "yookassa")
    if word == "nobody_knows_this":
        till.act(intent, "decline")  # without a reason
    else:
        till.act(intent, "decline", reason=word)
    till.wait_for(intent, "canceled")
    error = read(till, intent)["error"]
    assert error["code"] == (word if word in declines.SENTENCES else "refused_by_bank")
    assert error["message"] == declines.SENTENCES[error["code"]]


def test_a_declined_card_leaves_the_page_open_for_another(till: ProviderWorld) -> None:
    user = till.customer()
    intent = till.intent(user, "stripe")
    till.act(intent, "decline", reason="insufficient_funds")
    wait_until(lambda: "error" in read(till, intent))
    declined = read(till, intent)
    assert (declined["status"], declined["error"]["code"]) == ("pending", "insufficient_funds")
    assert declined["paymentUrl"] == intent["paymentUrl"]
    till.act(intent, "decline", reason="stolen_card")  # nobody is told that
    wait_until(lambda: read(till, intent)["error"]["code"] == "refused_by_bank")
    till.pay(user, intent)
    till.wait_for(intent, "succeeded")
    assert "error" not in read(till, intent)
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_declined_card_is_seen_by_asking_too(till: ProviderWorld) -> None:
    intent = till.intent(till.customer(), "stripe")
    till.deliver_webhooks(False)
    till.act(intent, "decline", reason="expired_card")
    asked = ask(till, intent)
    assert (asked["status"], asked["error"]["code"]) == ("pending", "card_expired")


def test_a_decline_that_is_heard_late_does_not_take_the_place_of_a_newer_one(
    till: ProviderWorld,
) -> None:
    intent = till.intent(till.customer(), "stripe")
    for seconds_ago, word in ((5, "card_expired"), (60, "insufficient_funds"), (1, "suspicious")):
        with transaction() as session:
            payment = payments.get(session, UUID(intent["id"]))
            settlement.settle(session, declined(payment, word, seconds_ago))
        newest = "card_expired" if seconds_ago > 1 else "suspicious"
        assert read(till, intent)["error"]["code"] == newest
    till.deliver_webhooks(False)
    till.act(intent, "decline", reason="insufficient_funds")
    assert ask(till, intent)["error"]["code"] == "insufficient_funds"
    with transaction() as session:  # from before it was asked, and heard after
        settlement.settle(session, declined(payment, "limit_exceeded", 30))
    assert read(till, intent)["error"]["code"] == "insufficient_funds"


def declined(payment: PaymentRow, word: str, seconds_ago: int) -> Notice:
    """A webhook of Stripe about a card."""
    return Notice(
        provider="stripe",
        event_id=f"evt_{uuid4().hex}",
        kind="payment_intent.payment_failed",
        outcome=Outcome.PENDING,
        payment_id=payment.id,
        amount_minor=payment.asked_minor,
        currency=payment.asked_currency,
        livemode=False,
        decline=Decline(word),
        occurred_at=now().replace(microsecond=0) - timedelta(seconds=seconds_ago),
    )


def test_a_payment_that_was_not_made_in_time_says_so(till: ProviderWorld) -> None:
    intent = till.intent(till.customer(), "yookassa")
    till.act(intent, "expire")
    till.wait_for(intent, "expired")
    assert read(till, intent)["error"]["code"] == "expired"


@each_by_page
def test_the_button_i_have_paid_works_when_the_webhook_is_lost(
    till: ProviderWorld, provider: str
) -> None:
    user = till.customer()
    intent = till.intent(user, provider)
    assert ask(till, intent)["status"] == "pending"
    till.deliver_webhooks(False)
    till.pay(user, intent)
    change(intent, asked_at=now() - PAUSE)
    paid = ask(till, intent)
    assert (paid["status"], till.bot.balance(user["id"])) == ("succeeded", TOKENS)
    # Then the webhook comes after all.
    till.deliver_webhooks(True)
    till.wait_for_delivery()
    assert till.bot.balance(user["id"]) == TOKENS
    assert ask(till, intent) == paid


@each_by_page
def test_customers_and_webhooks_at_once_credit_once(till: ProviderWorld, provider: str) -> None:
    user = till.customer()
    intent = till.intent(user, provider)
    till.deliver_webhooks(False)
    till.pay(user, intent)
    opened = threading.Thread(target=till.deliver_webhooks, args=(True,))
    opened.start()
    answers = at_once(lambda: till.bot.post(f"/payments/{intent['id']}/check"), 8)
    opened.join()
    till.wait_for(intent, "succeeded")
    till.wait_for_delivery()
    assert {answer.status_code for answer in answers} == {200}
    assert till.bot.balance(user["id"]) == TOKENS
    purchases = [each for each in till.history(user) if each[0] == "purchase"]
    assert purchases == [("purchase", "success", TOKENS)]


def test_the_provider_is_asked_once_in_five_seconds(till: ProviderWorld) -> None:
    intent = till.intent(till.customer(), "yookassa")
    before = till.sandbox.calls(intent["reference"])
    answers = at_once(lambda: ask(till, intent), 8)
    assert till.sandbox.calls(intent["reference"]) == before + 1
    assert {answer["status"] for answer in answers} == {"pending"}
    assert ask(till, intent)["checkedAt"]
    assert till.sandbox.calls(intent["reference"]) == before + 1
    change(intent, asked_at=now() - PAUSE)
    ask(till, intent)
    assert till.sandbox.calls(intent["reference"]) == before + 2


def test_money_that_has_arrived_and_pages_long_closed_are_not_asked_about(
    till: ProviderWorld,
) -> None:
    user = till.customer()
    paid = till.buy(user, "stripe")
    old = till.intent(user, "stripe")
    with transaction() as session:
        settlement.close(session, UUID(old["id"]), "expired")
    change(old, expires_at=now() - timedelta(days=31))
    before = till.sandbox.calls()
    assert ask(till, paid)["status"] == "succeeded"
    assert ask(till, old)["status"] == "expired"
    assert till.sandbox.calls() == before


def test_what_was_paid_after_it_was_closed_is_found_by_asking(till: ProviderWorld) -> None:
    user = till.customer()
    intent = till.intent(user, "yookassa")
    till.deliver_webhooks(False)
    till.pay(user, intent)
    with transaction() as session:
        settlement.close(session, UUID(intent["id"]), "expired")
    assert ask(till, intent)["status"] == "succeeded"
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_provider_that_does_not_answer_is_no_answer_about_money(till: ProviderWorld) -> None:
    intent = till.intent(till.customer(), "stripe")
    till.sandbox.inject_fault("stripe", "status", status=500, times=9)
    answer = till.bot.post(f"/payments/{intent['id']}/check")
    refused(answer, "provider_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert till.payment(intent).last_error
    assert read(till, intent)["status"] == "pending"


def test_a_provider_that_is_no_longer_connected_says_so(till: ProviderWorld, bot: Bot) -> None:
    intent = till.intent(till.customer(), "yookassa")
    refused(bot.post(f"/payments/{intent['id']}/check"), "provider_not_configured")
    assert done(bot.get(f"/payments/{intent['id']}"), 200)["status"] == "pending"
