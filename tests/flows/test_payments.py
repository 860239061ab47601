"""Tag Payments: from an intent to tokens and back, with each provider on the wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from db import transaction
from db.types import now
from services import people
from tests.factories import make_image
from tests.live import Bot, done, order, refused, unchanged
from tests.provider_world import PROVIDERS, RUB, STARS, TOKENS, ProviderWorld
from tests.threads import at_once
from tests.wire import wait_until

ANIMATE = 10

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@each_provider
def test_a_tariff_is_sold_at_its_price(till: ProviderWorld, provider: str) -> None:
    intent = till.intent(till.customer(), provider, plan="start", amountRub=199)
    stars = provider == "telegram"
    assert (intent["amountRub"], intent["tokens"], intent["status"]) == (199, 20, "pending")
    assert (intent["provider"], intent["currency"]) == (provider, "XTR" if stars else "RUB")
    left = datetime.fromisoformat(intent["expiresAt"]) - now()
    assert round(left / timedelta(hours=1)) == (1 if provider == "yookassa" else 24)
    assert intent["reference"]
    page = requests.get(intent["paymentUrl"], timeout=60)
    assert page.ok and ("166 ⭐" if stars else "199") in page.text
    asked = till.payment(intent)
    assert (asked.asked_minor, asked.plan) == (166 if stars else 19900, "start")


def test_a_tariff_may_be_named_by_its_id(till: ProviderWorld) -> None:
    offered = done(till.bot.get("/tariffs"), 200)[-1]
    intent = till.intent(
        till.customer(), "yookassa", plan=offered["id"], amountRub=offered["costRub"]
    )
    assert intent["tokens"] == offered["monthlyTokens"]


@pytest.mark.parametrize(("rub", "tokens"), [(50, 5), (50.05, 5), (250.5, 25.05), (99.99, 9.99)])
def test_an_amount_buys_what_it_covers_rounded_down(
    till: ProviderWorld, rub: float, tokens: float
) -> None:
    intent = till.intent(till.customer(), "stripe", amountRub=rub)
    assert (intent["amountRub"], intent["tokens"]) == (rub, tokens)
    assert till.payment(intent).asked_minor == round(rub * 100)


def test_without_a_provider_the_shop_s_own_is_taken(till: ProviderWorld) -> None:
    user = till.customer()
    intent = done(till.bot.post("/payments/intents", {"userId": user["id"], "amountRub": 100}), 201)
    assert intent["provider"] == "yookassa"


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"plan": "start", "amountRub": 198.99}, "amount_mismatch"),
        ({"plan": "nothing", "amountRub": 199}, "tariff_not_found"),
        ({"plan": str(uuid4()), "amountRub": 199}, "tariff_not_found"),
        ({"amountRub": 49.99}, "amount_out_of_range"),
        ({"amountRub": 100_000.01}, "amount_out_of_range"),
        ({"amountRub": 199.999}, "bad_request"),
        ({"amountRub": 0}, "bad_request"),
        ({"amountRub": "199"}, "bad_request"),
        ({"provider": "paypal"}, "bad_request"),
        ({"userId": str(uuid4())}, "user_not_found"),
    ],
)
@each_provider
def test_a_wrong_wish_is_refused_and_nobody_is_asked(
    till: ProviderWorld, provider: str, wish: dict[str, Any], code: str
) -> None:
    user, asked = till.customer(), till.sandbox.calls()
    with unchanged():
        refused(till.request_intent(user, provider, **wish), code)
    assert till.sandbox.calls() == asked


def test_a_refusal_says_what_would_have_been_right(till: ProviderWorld) -> None:
    user = till.customer()
    wrong_price = till.request_intent(user, "stripe", plan="start", amountRub=1)
    assert refused(wrong_price, "amount_mismatch") == {"costRub": 199}
    too_little = till.request_intent(user, "stripe", amountRub=1)
    assert refused(too_little, "amount_out_of_range") == {"minRub": 50, "maxRub": 100_000}


@each_provider
def test_without_consent_there_is_nothing_to_pay(till: ProviderWorld, provider: str) -> None:
    user = till.bot.register()
    with unchanged():
        refused(till.request_intent(user, provider), "consent_required")


def test_a_banned_person_neither_orders_nor_pays_and_is_told_why(till: ProviderWorld) -> None:
    user, picture = till.customer(), make_image()
    with transaction() as session:
        people.ban(session, UUID(user["id"]), reason="fraud", now=now())
    with unchanged():
        refused(till.request_intent(user, "stripe"), "user_banned")
        answer = till.bot.post("/jobs", order(UUID(user["id"]), picture.id))
        refused(answer, "user_banned")
        assert answer.json()["userMessage"].startswith("Новые заказы и платежи для вас закрыты.")
        assert "fraud" not in answer.text


@each_provider
def test_a_provider_that_is_not_connected_is_named(bot: Bot, provider: str) -> None:
    user = bot.register()
    wish = {"userId": user["id"], "amountRub": RUB, "provider": provider}
    with unchanged():
        details = refused(bot.post("/payments/intents", wish), "provider_not_configured")
        assert details == {"provider": provider}
        answer = bot.post(f"/webhooks/payments/{provider}", {"type": "notification"})
        refused(answer, "provider_not_configured")


@each_provider
def test_an_order_that_waits_for_money_starts_when_it_comes(
    till: ProviderWorld, provider: str
) -> None:
    user = till.customer()
    job = till.bot.order(user["id"], make_image().id, "animate")
    assert job["status"] == "waiting_payment"
    intent = till.intent(user, provider)
    assert till.history(user) == [("gateway_payment", "pending", 0)]
    outcome = till.pay(user, intent)
    assert outcome["status"] in ("succeeded", "complete", "paid")
    wait_until(lambda: done(till.bot.get(f"/jobs/{job['id']}"), 200)["status"] == "queued")
    assert till.bot.balance(user["id"]) == TOKENS - ANIMATE
    assert till.history(user) == [
        ("charge", "success", -ANIMATE),
        ("purchase", "success", TOKENS),
        ("gateway_payment", "success", 0),
    ]
    rows = done(till.bot.get("/transactions", userId=user["id"]), 200)
    for row in rows[1:]:
        assert (row["amountRub"], row["provider"]) == (RUB, provider)
        assert (row["reference"], row["meta"]) == (
            intent["reference"],
            {"paymentId": intent["id"]},
        )


@pytest.mark.parametrize(
    ("provider", "action", "status"),
    [
        ("yookassa", "decline", "canceled"),
        ("yookassa", "expire", "expired"),
        ("stripe", "expire", "expired"),
    ],
)
def test_a_payment_that_comes_to_nothing_shows_as_failed(
    till: ProviderWorld, provider: str, action: str, status: str
) -> None:
    user = till.customer()
    intent = till.intent(user, provider)
    till.act(intent, action)
    till.wait_for(intent, status)
    assert till.history(user) == [("gateway_payment", "failed", 0)]
    assert till.bot.balance(user["id"]) == 0


def test_a_slow_method_brings_tokens_when_its_money_is_there(till: ProviderWorld) -> None:
    user = till.customer()
    intent, failing = till.intent(user, "stripe"), till.intent(user, "stripe")
    for each in (intent, failing):
        till.act(each, "pay", slow=True)
    completed = ("checkout.session.completed", "ignored")
    wait_until(lambda: till.events(intent) == till.events(failing) == [completed])
    assert till.bot.balance(user["id"]) == 0
    till.act(intent, "settle", paid=True)
    till.act(failing, "settle", paid=False)
    till.wait_for(intent, "succeeded")
    till.wait_for(failing, "canceled")
    assert till.bot.balance(user["id"]) == TOKENS


@pytest.mark.parametrize("provider", ["yookassa", "stripe"])
def test_rubles_returned_in_part_take_their_part_of_the_tokens(
    till: ProviderWorld, provider: str
) -> None:
    user = till.customer()
    intent = till.buy(user, provider)
    till.dashboard_refund(intent, 5000)
    till.wait_for(intent, "partly_refunded")
    assert till.bot.balance(user["id"]) == 15
    till.dashboard_refund(intent, 15000)
    assert till.wait_for(intent, "refunded").refunded_tokens == 20
    assert till.bot.balance(user["id"]) == 0
    assert [row[::2] for row in till.history(user)][:2] == [("refund", -15), ("refund", -5)]


@each_provider
def test_a_whole_refund_takes_what_is_left_and_never_below_zero(
    till: ProviderWorld, provider: str
) -> None:
    user = till.customer()
    till.bot.order(user["id"], make_image().id, "animate")
    intent = till.buy(user, provider)
    till.dashboard_refund(intent)
    refunded = till.wait_for(intent, "refunded")
    assert (refunded.refunded_tokens, refunded.shortfall_tokens) == (10, 10)
    assert till.bot.balance(user["id"]) == 0
    newest = done(till.bot.get("/transactions", userId=user["id"]), 200)[0]
    assert (newest["type"], newest["amountRub"], newest["tokensDelta"]) == ("refund", -RUB, -10)
    assert newest["meta"]["shortfallTokens"] == "10.00"


@pytest.mark.parametrize(
    ("end", "status", "tokens"), [("won", "succeeded", TOKENS), ("lost", "refunded", 0)]
)
def test_a_dispute_holds_the_tokens_until_it_ends(
    till: ProviderWorld, end: str, status: str, tokens: int
) -> None:
    user = till.customer()
    intent = till.buy(user, "stripe")
    dispute = till.act(intent, "dispute")
    till.wait_for(intent, "disputed")
    assert till.bot.balance(user["id"]) == 0
    till.sandbox.control("POST", f"/stripe/disputes/{dispute['id']}/{end}")
    till.wait_for(intent, status)
    assert till.bot.balance(user["id"]) == tokens


def test_an_inquiry_takes_nothing(till: ProviderWorld) -> None:
    user = till.customer()
    intent = till.buy(user, "stripe")
    till.act(intent, "dispute", inquiry=True)
    wait_until(lambda: ("dispute.warning_needs_response", "ignored") in till.events(intent))
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_telegram_link_can_be_paid_once(till: ProviderWorld) -> None:
    user = till.customer()
    intent = till.buy(user, "telegram")
    again = till.pay(user, intent)
    assert (again["status"], "уже оплачен" in again["error_message"]) == ("refused", True)
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_telegram_link_cannot_be_paid_by_somebody_else(till: ProviderWorld) -> None:
    user, stranger = till.customer(), till.customer()
    intent = till.intent(user, "telegram")
    refusal = till.pay(stranger, intent)
    assert (refusal["status"], "другому" in refusal["error_message"]) == ("refused", True)
    assert till.payment(intent).status == "pending"
    assert till.pay(user, intent)["status"] == "paid"
    till.wait_for(intent, "succeeded")
    assert (till.bot.balance(user["id"]), till.bot.balance(stranger["id"])) == (TOKENS, 0)


def test_two_who_press_pay_at_once_on_a_telegram_link_lose_nothing(till: ProviderWorld) -> None:
    """Both may pass pre-checkout, as neither has paid yet; then both charges count."""
    user = till.customer()
    intent = till.intent(user, "telegram")
    ends = [paid["status"] for paid in at_once(lambda: till.pay(user, intent), 2)]
    charges = ends.count("paid")
    wait_until(lambda: till.bot.balance(user["id"]) == TOKENS * charges)
    purchases = [row for row in till.history(user) if row[0] == "purchase"]
    assert len(purchases) == charges >= 1


@each_provider
def test_a_repeat_hears_the_first_answer_even_after_the_payment(
    till: ProviderWorld, provider: str
) -> None:
    user, key = till.customer(), uuid4().hex
    first = till.request_intent(user, provider, key=key)
    intent = done(first, 201)
    made = till.sandbox.calls("POST /")
    with unchanged():
        again = till.request_intent(user, provider, key=key)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (intent, "true")
    assert "Idempotency-Replayed" not in first.headers
    assert till.sandbox.calls("POST /") == made
    till.pay(user, intent)
    till.wait_for(intent, "succeeded")
    other = till.customer()
    with unchanged():
        assert done(till.request_intent(user, provider, key=key), 201) == intent
        refused(
            till.request_intent(user, provider, key=key, amountRub=300), "idempotency_key_reused"
        )
        refused(till.request_intent(other, provider, key=key), "idempotency_key_reused")


@each_provider
def test_a_refusal_is_repeated_too(till: ProviderWorld, provider: str) -> None:
    user, key = till.customer(), uuid4().hex
    refused(till.request_intent(user, provider, key=key, amountRub=1), "amount_out_of_range")
    again = till.request_intent(user, provider, key=key, amountRub=1)
    refused(again, "amount_out_of_range")
    assert again.headers["Idempotency-Replayed"] == "true"


@each_provider
def test_twins_make_one_payment(till: ProviderWorld, provider: str) -> None:
    user, key = till.customer(), uuid4().hex
    answers = at_once(lambda: till.request_intent(user, provider, key=key), 8)
    intents = {str(sorted(done(answer, 201).items())) for answer in answers}
    assert len(intents) == 1
    assert till.history(user) == [("gateway_payment", "pending", 0)]
    intent = answers[0].json()
    till.pay(user, intent)
    till.wait_for(intent, "succeeded")
    assert till.bot.balance(user["id"]) == TOKENS


def test_without_a_key_each_request_is_a_payment(till: ProviderWorld) -> None:
    user = till.customer()
    intents = [till.intent(user, provider) for provider in PROVIDERS]
    assert len({intent["id"] for intent in intents}) == 3
    assert till.payment(intents[2]).asked_minor == STARS
