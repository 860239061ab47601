"""The operator's commands about payments, events, tariffs and tokens, and their output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import select, update

from db import snapshot, transaction
from db.models import Payment, PaymentEvent
from db.rows import PaymentEventRow
from db.types import now
from services import inbox
from tests.command_line import CommandLine, cells, command_line, complain, say
from tests.factories import make_image
from tests.live import done, refused, unchanged
from tests.provider_world import OPTIONS, RUB, TOKENS, ProviderWorld, provider_world
from tests.wire import wait_until

NOBODY = str(uuid4())


@pytest.fixture(scope="module")
def terminal(open_till: ProviderWorld) -> Iterator[CommandLine]:
    with command_line(**open_till.environ) as opened:
        yield opened


@pytest.fixture
def cli(till: ProviderWorld, terminal: CommandLine) -> CommandLine:
    """The operator's terminal, beside the server of `till`."""
    return terminal


def event_of(intent: dict[str, Any]) -> PaymentEventRow:
    """The first event of a payment."""
    with transaction() as session:
        return inbox.of_payment(session, UUID(intent["id"]))[0]


def test_payments_are_listed_and_shown_with_what_was_told(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    paid, waiting = till.buy(user, "yookassa"), till.intent(user, "stripe")
    newest, older = cells(say(cli, "payments", "list", "--limit", "2"))
    assert newest[:3] == [waiting["id"], "stripe", "pending"]
    assert older[:6] == [paid["id"], "yookassa", "succeeded", "200", "20", user["id"]]
    (one,) = cells(say(cli, "payments", "list", "--status", "succeeded", "--limit", "1"))
    assert one[0] == paid["id"]
    shown = say(cli, "payments", "show", paid["id"])
    assert paid["reference"] in shown and "payment.succeeded" in shown and "applied" in shown


def test_a_provider_is_asked_on_demand(till: ProviderWorld, cli: CommandLine) -> None:
    user = till.customer()
    till.deliver_webhooks(False)
    for provider in ("yookassa", "stripe"):
        intent = till.intent(user, provider)
        assert say(cli, "payments", "check", intent["id"]) == "ignored: pending"
        till.pay(user, intent)
        assert say(cli, "payments", "check", intent["id"]) == "applied"
        assert say(cli, "payments", "check", intent["id"]) == "applied"
    assert till.bot.balance(user["id"]) == 2 * TOKENS


def test_a_refund_the_webhook_of_which_got_lost_is_found_on_demand(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    intent = till.buy(user, "yookassa")
    till.deliver_webhooks(False)
    till.dashboard_refund(intent, 5000)
    assert say(cli, "payments", "check", intent["id"]) == "applied"
    assert till.bot.balance(user["id"]) == 15


@pytest.mark.parametrize("provider", ["yookassa", "stripe"])
def test_a_refund_happens_once_per_key(
    till: ProviderWorld, cli: CommandLine, provider: str
) -> None:
    user = till.customer()
    intent = till.buy(user, provider)
    for _ in range(3):
        refund = ("payments", "refund", intent["id"], "--rub", "50", "--key", "жалоба 17")
        assert say(cli, *refund) == "applied"
    assert till.payment(intent).status == "partly_refunded"
    assert till.bot.balance(user["id"]) == 15
    other = ("payments", "refund", intent["id"], "--rub", "60", "--key", "жалоба 17")
    assert "a refund of 50.00 was made with this key" in complain(cli, *other)
    assert say(cli, "payments", "refund", intent["id"], "--key", "the rest") == "applied"
    assert till.wait_for(intent, "refunded").refunded_rub == RUB
    assert till.bot.balance(user["id"]) == 0
    nothing_left = complain(cli, "payments", "refund", intent["id"], "--key", "more")
    assert nothing_left == "0 of 200 rub are left to return"


def test_what_is_left_after_a_part_can_be_returned(till: ProviderWorld, cli: CommandLine) -> None:
    intent = till.buy(till.customer(), "yookassa", amountRub=499)
    assert say(cli, "payments", "refund", intent["id"], "--rub", "7", "--key", "1") == "applied"
    assert till.payment(intent).refunded_rub == 7
    assert say(cli, "payments", "refund", intent["id"], "--key", "the rest") == "applied"
    assert till.payment(intent).status == "refunded"


def test_checking_the_payment_of_a_second_charge_leaves_it_as_it_is(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    intent = till.buy(user, "telegram")
    charge = f"stx-{uuid4().hex}"
    till.tell_of_charge(user, intent, charge, "successful_payment")
    assert till.bot.balance(user["id"]) == 2 * TOKENS
    with snapshot() as session:
        second = session.scalar(select(Payment.id).where(Payment.repeats_id == UUID(intent["id"])))
    asked = till.sandbox.calls("createInvoiceLink")
    say(cli, "payments", "check", str(second))
    assert till.sandbox.calls("createInvoiceLink") == asked
    till.tell_of_charge(user, intent, charge, "refunded_payment")
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_payment_that_a_bank_works_on_stays_open_until_it_ends(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    intent = till.intent(user, "stripe")
    till.deliver_webhooks(False)
    till.act(intent, "pay", slow=True)
    with transaction() as session:  # a day later
        session.execute(
            update(Payment)
            .where(Payment.id == UUID(intent["id"]))
            .values(expires_at=now() - timedelta(seconds=1), next_check_at=now())
        )
    assert say(cli, "payments", "check", intent["id"]) == "ignored: pending"
    till.act(intent, "settle", paid=True)
    assert say(cli, "payments", "check", intent["id"]) == "applied"
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_key_refunds_once_also_when_the_providers_have_forgotten_it(tmp_path: Path) -> None:
    with provider_world(tmp_path) as till, command_line(**till.environ) as cli:
        user = till.customer()
        refunds = []
        for provider in ("yookassa", "stripe"):
            intent = till.buy(user, provider)
            refunds.append(("payments", "refund", intent["id"], "--rub", "50", "--key", "17"))
        till.deliver_webhooks(False)
        till.sandbox.control("PUT", "/yookassa/refunds", wait=True)
        assert say(cli, *refunds[0]) == "ignored: the provider is working on it"
        assert say(cli, *refunds[1]) == "applied"
        till.sandbox.control("POST", "/clock", advance_seconds=25 * 3600)
        assert say(cli, *refunds[0]) == "ignored: the provider is working on it"
        assert say(cli, *refunds[1]) == "applied"
        (waiting,) = till.yookassa("refunds")
        till.sandbox.control("POST", f"/yookassa/refunds/{waiting['id']}/succeed")
        assert say(cli, *refunds[0]) == "applied"
        assert till.bot.balance(user["id"]) == 2 * (TOKENS - 5)


def test_stars_are_returned_whole(till: ProviderWorld, cli: CommandLine) -> None:
    user = till.customer()
    intent = till.buy(user, "telegram")
    part = ("payments", "refund", intent["id"], "--rub", "50", "--key", "1")
    assert "Stars of a charge are returned whole" in complain(cli, *part)
    assert say(cli, "payments", "refund", intent["id"], "--key", "2") == "applied"
    assert till.wait_for(intent, "refunded").refunded_tokens == TOKENS


def test_an_impossible_refund_is_explained(till: ProviderWorld, cli: CommandLine) -> None:
    user = till.customer()
    unpaid, paid = till.intent(user, "stripe"), till.buy(user, "yookassa")
    refund = ("payments", "refund")
    waiting = complain(cli, *refund, unpaid["id"], "--key", "1")
    assert waiting == "the payment is pending, nothing has been paid"
    more = complain(cli, *refund, paid["id"], "--rub", "200.01", "--key", "1")
    assert more == "200 of 200 rub are left to return"


def test_a_pending_refund_of_the_bank_is_reported_later(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    intent = till.buy(user, "yookassa")
    till.sandbox.control("PUT", "/yookassa/refunds", wait=True)
    shown = say(cli, "payments", "refund", intent["id"], "--key", "1")
    till.sandbox.control("PUT", "/yookassa/refunds", wait=False)
    assert shown == "ignored: the provider is working on it"
    assert till.bot.balance(user["id"]) == TOKENS
    (refund,) = till.yookassa("refunds", payment_id=intent["reference"])
    till.sandbox.control("POST", f"/yookassa/refunds/{refund['id']}/succeed")
    till.wait_for(intent, "refunded")


def test_a_provider_in_trouble_is_named_in_one_line(till: ProviderWorld, cli: CommandLine) -> None:
    intent = till.intent(till.customer(), "yookassa")
    till.sandbox.inject_fault("yookassa", "html", call="read_payment", times=9)
    complaint = complain(cli, "payments", "check", intent["id"])
    assert complaint.startswith("yookassa read_payment: 502")


@pytest.mark.parametrize(
    "command",
    [
        ("payments", "show", NOBODY),
        ("payments", "check", NOBODY),
        ("payments", "refund", NOBODY, "--key", "1"),
        ("events", "show", NOBODY),
        ("events", "replay", NOBODY),
        ("events", "dismiss", NOBODY, "--reason", "-"),
        ("user", "ban", NOBODY, "--reason", "-"),
        ("user", "unban", NOBODY),
        ("tariffs", "edit", "nothing", "--rub", "1"),
        ("tariffs", "disable", "nothing"),
        ("grant", NOBODY, "1", "--key", "1", "--reason", "-"),
        ("withdraw", "no such telegram id", "1", "--key", "1", "--reason", "-"),
    ],
)
def test_an_unknown_object_is_named(cli: CommandLine, command: tuple[str, ...]) -> None:
    assert complain(cli, *command)


@pytest.mark.parametrize(
    "command",
    [
        ("payments", "show", "7"),
        ("payments", "list", "--status", "lost"),
        ("payments", "list", "--limit", "0"),
        ("payments", "refund", NOBODY),
        ("payments", "refund", NOBODY, "--rub", "-1", "--key", "1"),
        ("payments", "refund", NOBODY, "--rub", "1.005", "--key", "1"),
        ("payments", "refund", NOBODY, "--key", ""),
        ("events", "list", "--state", "lost"),
        ("events", "dismiss", NOBODY),
        ("user", "ban", NOBODY),
        ("tariffs", "add", "x", "X", "0", "100"),
        ("tariffs", "add", "x", "X", "10", "0"),
        ("tariffs", "add", "x", "X", "10", "1e30"),
        ("tariffs", "add", "", "X", "10", "100"),
        ("tariffs", "add", "x", " ", "10", "100"),
        ("tariffs", "add", "x" * 65, "X", "10", "100"),
        ("tariffs", "add", "x", "X", str(10**12), "100"),
        ("tariffs", "edit", "start"),
        ("grant", NOBODY, "1", "--key", "1"),
        ("grant", NOBODY, "1", "--reason", "-"),
        ("grant", NOBODY, "1", "--key", "", "--reason", "-"),
        ("grant", NOBODY, "1", "--key", "1", "--reason", " "),
        ("grant", NOBODY, "0", "--key", "1", "--reason", "-"),
        ("grant", NOBODY, "-5", "--key", "1", "--reason", "-"),
        ("grant", NOBODY, "NaN", "--key", "1", "--reason", "-"),
        ("grant", NOBODY, "1e30", "--key", "1", "--reason", "-"),
        ("withdraw", NOBODY, "0.001", "--key", "1", "--reason", "-"),
        ("withdraw", NOBODY, "1", "--key", "1"),
    ],
)
def test_a_wrong_argument_is_refused(cli: CommandLine, command: tuple[str, ...]) -> None:
    assert complain(cli, *command, code=2)


def test_an_event_is_listed_shown_and_replayed_without_effect(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    intent = till.buy(user, "stripe")
    event = event_of(intent)
    listed = {row[0]: row[1:] for row in cells(say(cli, "events", "list", "--limit", "50"))}
    assert listed[str(event.id)][:3] == ["stripe", "checkout.session.completed", "applied"]
    shown = say(cli, "events", "show", str(event.id))
    notice = json.loads(shown.partition("\n")[2])
    assert (notice["payment_id"], notice["outcome"]) == (intent["id"], "succeeded")
    assert "payer@example.org" not in shown
    with unchanged():
        assert say(cli, "events", "replay", str(event.id)) == "applied"
    assert till.bot.balance(user["id"]) == TOKENS


def test_a_parked_event_is_applied_once_its_cause_is_fixed(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    job = till.bot.order(user["id"], make_image().id, "animate")
    intent = till.intent(user, "yookassa")

    def expect(minor: int) -> None:
        with transaction() as session:
            session.execute(
                update(Payment).where(Payment.id == UUID(intent["id"])).values(asked_minor=minor)
            )

    expect(20001)
    till.pay(user, intent)
    wait_until(lambda: till.events(intent) != [])
    event = event_of(intent)
    assert (event.state, event.reason) == ("parked", "amount_mismatch")
    assert say(cli, "events", "replay", str(event.id)) == "parked: amount_mismatch"
    parked = cells(say(cli, "events", "list", "--state", "parked", "--limit", "1"))
    assert parked[0][0] == str(event.id)
    expect(20000)
    assert say(cli, "events", "replay", str(event.id)) == "applied"
    assert done(till.bot.get(f"/jobs/{job['id']}"), 200)["status"] == "queued"
    with transaction() as session:
        state = select(PaymentEvent.state).where(PaymentEvent.id == event.id)
        assert session.scalar(state) == "applied"


def test_a_tariff_is_offered_changed_and_taken_away(till: ProviderWorld, cli: CommandLine) -> None:
    name, user = f"spring-{uuid4().hex[:8]}", till.customer()
    say(cli, "tariffs", "add", name, "Весна: 30 токенов", "30", "249.90", "--position", "1")
    (offered,) = [each for each in done(till.bot.get("/tariffs"), 200) if each["name"] == name]
    assert (offered["costRub"], offered["monthlyTokens"]) == (249.9, 30)
    assert "there is a tariff of this name" in complain(
        cli, "tariffs", "add", name, "Ещё", "1", "1"
    )
    opened_before = till.intent(user, "yookassa", plan=name, amountRub=249.9)
    say(cli, "tariffs", "edit", name, "--rub", "300", "--tokens", "31")
    refused(till.request_intent(user, "yookassa", plan=name, amountRub=249.9), "amount_mismatch")
    dearer = till.intent(user, "yookassa", plan=name, amountRub=300)
    say(cli, "tariffs", "disable", name)
    refused(till.request_intent(user, "yookassa", plan=name, amountRub=300), "tariff_not_found")
    assert name not in [each["name"] for each in done(till.bot.get("/tariffs"), 200)]
    (row,) = [row for row in cells(say(cli, "tariffs", "list")) if row[0] == name]
    assert row[-1] == "False"
    for intent, tokens in ((opened_before, 30), (dearer, 61)):  # each at the terms of its day
        till.pay(user, intent)
        till.wait_for(intent, "succeeded")
        assert till.bot.balance(user["id"]) == tokens


def test_a_link_paid_by_somebody_else_is_shown_and_refunded_to_who_paid(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user, friend = till.customer(), till.customer()
    intent = till.intent(user, "telegram")
    charge = pay_against_our_word(till, intent, int(friend["telegramId"]))
    payment = till.wait_for(intent, "succeeded")
    assert (payment.payer_telegram_id, payment.charge_reference) == (friend["telegramId"], charge)
    assert (till.bot.balance(user["id"]), till.bot.balance(friend["id"])) == (TOKENS, 0)
    (row,) = cells(say(cli, "events", "list", "--flagged", "--limit", "1"))
    assert row[1:6] == ["telegram", "successful_payment", "applied", "another_payer", intent["id"]]
    assert friend["telegramId"] in say(cli, "events", "show", row[0])
    assert complain(cli, "events", "list", "--flagged", "--state", "parked", code=2)

    say(cli, "payments", "refund", intent["id"], "--key", "to-the-friend")
    till.wait_for(intent, "refunded")
    refunded = till.sandbox.control("GET", "/telegram/updates")["history"][-1]["message"]
    assert refunded["chat"]["id"] == int(friend["telegramId"]) and "refunded_payment" in refunded
    assert till.bot.balance(user["id"]) == 0


def pay_against_our_word(till: ProviderWorld, intent: dict[str, Any], payer: int) -> str:
    """Pay a link as somebody whom the bot itself lets pay, before our answer comes; the charge."""
    till.sandbox.control("PUT", "/telegram/pace", paused=True)
    with ThreadPoolExecutor(1) as pool:
        pay = {"link": intent["paymentUrl"], "user_id": payer}
        paying = pool.submit(till.sandbox.control, "POST", "/telegram/pay", **pay)

        def question() -> str | None:
            newest = till.sandbox.control("GET", "/telegram/updates")["history"][-1:]
            asked: Any = newest[0].get("pre_checkout_query") if newest else None
            return asked["id"] if asked and asked["from"]["id"] == payer else None

        wait_until(lambda: question() is not None)
        answer = {"pre_checkout_query_id": question(), "ok": True}
        url = f"{till.sandbox.url}/telegram/bot{OPTIONS.telegram_bot_token}/answerPreCheckoutQuery"
        done(requests.post(url, json=answer, timeout=30), 200)
        charge: str = paying.result()["telegram_payment_charge_id"]
    till.sandbox.control("PUT", "/telegram/pace", paused=False)
    return charge


def test_tokens_are_given_and_taken_by_hand_once_per_key(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    for who in (user["id"], user["telegramId"]):
        output = say(cli, "grant", who, "7.50", "--key", "1", "--reason", "извинения")
        assert output == "7.5 tokens given, balance was 7.5 then"
    other = ("grant", user["id"], "8", "--key", "1", "--reason", "-")
    assert "idempotency_key_reused" in complain(cli, *other)
    assert till.bot.balance(user["id"]) == 7.5
    too_much = ("withdraw", user["id"], "7.51", "--key", "1", "--reason", "-")
    assert complain(cli, *too_much) == "the balance is smaller than that"
    for _ in range(2):
        say(cli, "withdraw", user["id"], "2.5", "--key", "1", "--reason", "ошибка")
    assert till.bot.balance(user["id"]) == 5
    newest = done(till.bot.get("/transactions", userId=user["id"]), 200)[0]
    assert (newest["type"], newest["tokensDelta"]) == ("promo", -2.5)
    assert newest["meta"] == {"reason": "withdraw", "note": "ошибка"}
    shown = say(cli, "user", "show", user["telegramId"])
    assert "balance 5 tokens" in shown and "-2.5" in shown


def test_a_person_is_banned_with_a_reason_and_let_in_again(
    till: ProviderWorld, cli: CommandLine
) -> None:
    user = till.customer()
    assert say(cli, "user", "ban", user["telegramId"], "--reason", "чужие карты").endswith("карты")
    assert "чужие карты" in say(cli, "user", "show", user["id"])
    refused(till.request_intent(user, "stripe"), "user_banned")
    assert say(cli, "user", "unban", user["id"]) == "not banned"
    till.intent(user, "stripe")


def test_a_parked_event_is_put_aside_for_good(till: ProviderWorld, cli: CommandLine) -> None:
    intent = till.buy(till.customer(), "stripe")
    event = str(event_of(intent).id)
    dismissal = ("events", "dismiss", event, "--reason", "of another shop")
    assert "applied, not parked" in complain(cli, *dismissal)
    with transaction() as session:
        session.get_one(PaymentEvent, UUID(event)).state = "parked"
        session.get_one(PaymentEvent, UUID(event)).reason = "unknown_reference"
    assert say(cli, *dismissal) == "ignored: dismissed: of another shop"
    assert say(cli, "events", "replay", event) == "ignored: dismissed: of another shop"
