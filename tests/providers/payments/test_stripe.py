"""Specific to Stripe: signed events in any order, slow methods, disputes, stored errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe as sdk
from stripe._encode import _api_encode

from errors import ApiError
from local.sandbox.clock import Clock
from local.sandbox.stripe.signing import Signer
from providers.payments import (
    Hint,
    Notice,
    Outcome,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from providers.payments.stripe import API_VERSION, encode_form
from providers.payments.stripe_objects import read_refund
from tests.payment_world import Sandbox, Shop
from tests.providers.payments.conftest import KEYS, GatewayWorld, stripe

NOISE = 2  # charge.succeeded and payment_intent.succeeded come with every payment


@pytest.fixture
def till(payments: Sandbox, shop: Shop) -> Iterator[GatewayWorld]:
    till = GatewayWorld("stripe", stripe(payments), payments, shop)
    till.listen()
    yield till


def paid(till: GatewayWorld) -> tuple[Any, Any]:
    """An order that has been paid, and its page; its events are removed."""
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    till.shop.wait_for(1 + NOISE)
    till.shop.posted.clear()
    return order, page


def test_forms_are_written_as_the_official_library_writes_them() -> None:
    body = {
        "mode": "payment",
        "success_url": "https://t.me/example_bot?a=1&b=[2]",
        "metadata": {"payment_id": "8f0c", "текст": "пример +"},
        "line_items": [{"quantity": 1, "price_data": {"product_data": {"name": "20 & 5"}}}],
        "adaptive_pricing": {"enabled": False},
    }
    theirs = urlencode(list(_api_encode(body)))
    assert encode_form(body).decode() == theirs.replace("%5B", "[").replace("%5D", "]")


def test_the_version_is_the_one_the_official_library_speaks() -> None:
    assert sdk.api_version == API_VERSION


def test_an_error_that_repeats_for_a_day_does_not_lose_the_order(
    till: GatewayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    order = till.order()
    till.world.inject_fault("stripe", "status", status=500, after=True)
    page = till.gateway.create_checkout(order)
    calls = [vars(each) for each in caplog.records if each.name == "providers.http"]
    # The second try shows that the answer is a stored one: another key, and no third try.
    assert [(each["status"], each["tries"]) for each in calls] == [(500, 2), (200, 1)]
    till.act(page, "pay")
    assert till.gateway.read_back(till.ref(order, page)).payment_id == order.payment_id
    till.world.inject_fault("stripe", "status", status=500, after=True, times=9)
    with pytest.raises(ProviderUnavailable):
        till.gateway.create_checkout(till.order())


def test_an_outage_that_spoils_every_key_it_sees_ends_when_it_ends(
    payments: Sandbox, shop: Shop
) -> None:
    now = 1_800_000_000.0
    gateway = stripe(payments, clock=lambda: now)
    order = GatewayWorld("stripe", gateway, payments, shop).order()
    payments.inject_fault("stripe", "status", status=500, after=True, times=50)
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            gateway.create_checkout(order)
        now += 60
    payments.control("DELETE", "/stripe/faults")
    page = gateway.create_checkout(order)
    assert gateway.create_checkout(order).reference == page.reference


def test_a_refund_whose_answer_repeats_an_error_is_not_made_twice(till: GatewayWorld) -> None:
    order, page = paid(till)
    till.world.inject_fault("stripe", "status", status=500, after=True, call="create_refund")
    ref = till.ref(order, page)
    with pytest.raises(ProviderUnavailable):
        till.gateway.refund(ref, amount_minor=5000, key="r-1")
    assert till.gateway.read_back(ref).refunded_minor == 5000


def test_the_webhook_alone_is_enough_to_credit(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    events = [till.read(posted) for posted in till.shop.wait_for(1 + NOISE)]
    (notice,) = [event for event in events if event is not None]
    assert isinstance(notice, Notice) and notice.outcome is Outcome.SUCCEEDED
    assert notice.event_id.startswith("evt_") and str(notice.charge_reference).startswith("pi_")


def test_a_slow_method_is_pending_until_it_pays(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay", slow=True)
    assert [each.outcome for each in till.notices(1)] == [Outcome.PENDING]
    assert till.gateway.read_back(till.ref(order, page)).outcome is Outcome.PENDING
    till.act(page, "settle", paid=True)
    assert till.notices(2 + NOISE)[-1].outcome is Outcome.SUCCEEDED


def test_a_slow_method_that_fails_cancels(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay", slow=True)
    till.act(page, "settle", paid=False)
    outcomes = {each.outcome for each in till.notices(2)}
    assert outcomes == {Outcome.PENDING, Outcome.CANCELED}
    assert till.gateway.read_back(till.ref(order, page)).outcome is Outcome.CANCELED


def test_an_open_page_can_be_closed(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    ref = till.ref(order, page)
    assert till.gateway.close(ref).outcome is Outcome.EXPIRED
    assert till.gateway.close(ref).outcome is Outcome.EXPIRED


@pytest.mark.parametrize(
    ("end", "outcome"), [("won", Outcome.DISPUTE_WON), ("lost", Outcome.DISPUTE_LOST)]
)
def test_a_dispute_is_read_as_it_stands_now(till: GatewayWorld, end: str, outcome: Outcome) -> None:
    order, page = paid(till)
    opened = till.act(page, "dispute")
    first = till.notices(2)
    assert {each.outcome for each in first} == {Outcome.DISPUTED}
    assert len({each.event_id for each in first}) == 1  # two events, one fact
    assert first[0].payment_id == order.payment_id
    assert first[0].refund_reference == opened["id"]
    till.world.control("POST", f"/stripe/disputes/{opened['id']}/{end}")
    count = 4 if end == "won" else 3
    assert {each.outcome for each in till.notices(count)} == {outcome}  # the old ones too


def test_an_inquiry_takes_no_money(till: GatewayWorld) -> None:
    _, page = paid(till)
    till.act(page, "dispute", inquiry=True)
    assert [each.outcome for each in till.notices(1)] == [Outcome.PENDING]


def test_a_refund_that_fails_gives_the_money_back_to_us(till: GatewayWorld) -> None:
    order, page = paid(till)
    till.world.control("PUT", "/stripe/refunds", wait=True)
    pending = till.gateway.refund(till.ref(order, page), amount_minor=5000, key="r")
    assert (pending.outcome, pending.refunded_minor) == (Outcome.REFUNDED, 5000)
    till.world.control("POST", f"/stripe/refunds/{pending.refund_reference}/fail")
    events = [till.read(posted) for posted in till.shop.wait_for(3)]
    (failed,) = [e for e in events if isinstance(e, Hint) and e.kind == "refund.failed"]
    confirmed = till.gateway.confirm(failed)
    assert (confirmed.outcome, confirmed.refunded_minor) == (Outcome.REFUND_FAILED, 0)
    assert confirmed.payment_id == order.payment_id


def test_what_ended_since_a_moment_is_listed_however_long_ago_it_began(till: GatewayWorld) -> None:
    (first, page), (second, other) = paid(till), paid(till)
    dispute = till.act(page, "dispute")
    till.world.control("PUT", "/stripe/refunds", wait=True)
    refund = till.gateway.refund(till.ref(second, other), amount_minor=5000, key="r")
    till.world.control("POST", "/clock", advance_seconds=5 * 24 * 3600)
    moment = datetime.now(UTC) + timedelta(days=4)
    assert list(till.gateway.list_since(moment)) == []
    till.world.control("POST", f"/stripe/disputes/{dispute['id']}/won")
    till.world.control("POST", f"/stripe/refunds/{refund.refund_reference}/fail")
    listed = {each.payment_id: each.outcome for each in till.gateway.list_since(moment)}
    assert listed == {
        first.payment_id: Outcome.DISPUTE_WON,
        second.payment_id: Outcome.REFUND_FAILED,
    }


def test_a_refund_made_in_the_dashboard_finds_its_payment(till: GatewayWorld) -> None:
    order, page = paid(till)
    client = sdk.StripeClient(KEYS.stripe_secret_key, base_addresses={"api": till.world.stripe})
    intent = till.gateway.read_back(till.ref(order, page)).charge_reference
    client.v1.refunds.create({"payment_intent": str(intent), "amount": 700})
    (notice,) = till.notices(2)
    assert (notice.payment_id, notice.refunded_minor) == (order.payment_id, 700)


def sign(body: Any, *secrets: str, skew_seconds: int = 0) -> tuple[bytes, dict[str, str]]:
    raw = json.dumps(body).encode()
    return raw, Signer(Clock(), list(secrets), skew_seconds).headers(raw)


EVENT = {"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {}}}


def test_one_of_our_secrets_must_have_signed(payments: Sandbox) -> None:
    gateway = stripe(payments, webhook_secrets=("whsec_old", "whsec_new"))
    now = datetime.now(UTC)

    def parse(*secrets: str, skew_seconds: int = 0) -> Any:
        raw, headers = sign(EVENT, *secrets, skew_seconds=skew_seconds)
        return gateway.parse_event(raw, headers, client_ip=None, now=now)

    assert parse("whsec_new") is None
    assert parse("whsec_old", "whsec_other") is None
    for skew in (-400, 400):
        with pytest.raises(SignatureInvalid):
            parse("whsec_new", skew_seconds=skew)
    with pytest.raises(SignatureInvalid) as refused:
        parse("whsec_other")
    assert (refused.value.status, refused.value.code) == (401, "signature_invalid")
    with pytest.raises(SignatureInvalid):
        gateway.parse_event(b"{}", {}, client_ip=None, now=now)


def test_a_recorded_event_is_of_no_use_later(till: GatewayWorld) -> None:
    till.act(till.gateway.create_checkout(till.order()), "expire")
    (posted,) = till.shop.wait_for(1)
    with pytest.raises(SignatureInvalid):
        till.gateway.parse_event(
            posted.raw,
            posted.headers,
            client_ip=None,
            now=datetime.now(UTC) + timedelta(minutes=6),
        )


SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "status": "complete",
    "payment_status": "paid",
    "payment_intent": "pi_1",
    "amount_total": 19900,
    "currency": "rub",
    "livemode": False,
    "metadata": {},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_total": "19900"},
        {"amount_total": 199.0},
        {"amount_total": True},
        {"amount_total": None},
        {"currency": None, "id": None, "status": []},
        {"metadata": "x", "client_reference_id": None},
    ],
)
def test_signed_nonsense_is_a_bad_request(till: GatewayWorld, changes: dict[str, Any]) -> None:
    event = {
        "id": "evt_1",
        "object": "event",
        "created": 1_764_000_000,
        "type": "checkout.session.completed",
        "data": {"object": SESSION | changes},
    }
    raw, headers = sign(event, *KEYS.stripe_webhook_secrets)
    with pytest.raises(ApiError) as refused:
        till.gateway.parse_event(raw, headers, client_ip=None, now=datetime.now(UTC))
    assert refused.value.code == "bad_request"


def test_other_products_of_the_account_are_passed_over(till: GatewayWorld) -> None:
    session = SESSION | {"mode": "setup", "amount_total": None, "currency": None}
    event = {
        "id": "evt_1",
        "object": "event",
        "created": 1_764_000_000,
        "type": "checkout.session.completed",
        "data": {"object": session},
    }
    raw, headers = sign(event, *KEYS.stripe_webhook_secrets)
    parsed = till.gateway.parse_event(raw, headers, client_ip=None, now=datetime.now(UTC))
    assert parsed is None
    notice = read_refund({"id": "re_1", "status": "succeeded", "charge": None})
    assert (notice.outcome, notice.payment_id, notice.reference) == (Outcome.PENDING, None, None)


def test_a_hint_about_nothing_is_forged(till: GatewayWorld) -> None:
    for kind in ("charge.refunded", "refund.failed", "charge.dispute.created"):
        hint = Hint("stripe", kind, "xx_none", signed=True)
        with pytest.raises(SignatureInvalid):
            till.gateway.confirm(hint)


def test_the_smallest_amount_is_stripes_to_judge(till: GatewayWorld) -> None:
    with pytest.raises(ProviderRejected, match="amount_too_small"):
        till.gateway.create_checkout(till.order(amount=Decimal("10.00")))
