"""What every gateway promises (providers/payments), asked of each against its sandbox.

Telegram's, which sells links instead of sessions, has its own in test_telegram_gateway.py.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from errors import ApiError
from local.sandbox.clock import Clock
from local.sandbox.stripe.signing import Signer
from providers.payments import (
    Checkout,
    CheckoutRequest,
    Gateway,
    Hint,
    Metadata,
    Notice,
    Outcome,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.payment_world import Sandbox, Shop
from tests.providers.payments.conftest import GATEWAYS, KEYS, QUICK, GatewayWorld
from tests.wire import wait_until

CREATE = {"yookassa": "create_payment", "stripe": "create_session"}


@pytest.fixture(params=sorted(GATEWAYS))
def till(request: pytest.FixtureRequest, payments: Sandbox, shop: Shop) -> GatewayWorld:
    return GatewayWorld(request.param, GATEWAYS[request.param](payments), payments, shop)


def test_a_gateway_is_what_it_says(till: GatewayWorld) -> None:
    gateway: Gateway = till.gateway
    assert gateway.provider == till.name


def test_a_paid_order_is_known_from_the_webhook_and_from_asking(till: GatewayWorld) -> None:
    till.listen()
    order = till.order()
    page = till.gateway.create_checkout(order)
    assert (page.asked_minor, page.asked_currency) == (19900, "RUB")
    assert page.url.startswith(till.world.url)
    ref = till.ref(order, page)
    assert till.gateway.read_back(ref).outcome is Outcome.PENDING
    till.act(page, "pay")
    posted = till.notices(1 if till.name == "yookassa" else 3)
    (paid,) = [each for each in posted if each.outcome is Outcome.SUCCEEDED]
    for notice in (paid, till.gateway.read_back(ref)):
        assert notice.provider == till.name
        assert (notice.outcome, notice.payment_id) == (Outcome.SUCCEEDED, order.payment_id)
        assert (notice.amount_minor, notice.currency) == (19900, "RUB")
        assert (notice.reference, notice.livemode) == (page.reference, False)


def test_all_money_since_a_moment_is_listed_with_what_was_given_to_keep(till: GatewayWorld) -> None:
    orders = [till.order(plan="start", tariff_id=uuid4()) for _ in range(3)]
    pages = [till.gateway.create_checkout(order) for order in orders]
    for page in pages[:2]:
        till.act(page, "pay")
    half = till.ref(orders[1], pages[1], _charge(till, orders[1], pages[1]))
    till.gateway.refund(half, amount_minor=9950, key="half")
    start = datetime.now(UTC) - timedelta(minutes=1)
    listed = {each.payment_id: each for each in till.gateway.list_since(start)}
    assert listed.keys() == {order.payment_id for order in orders[:2]}
    whole, part = (listed[order.payment_id] for order in orders[:2])
    assert (whole.outcome, part.outcome) == (Outcome.SUCCEEDED, Outcome.REFUNDED)
    assert part.refunded_minor == 9950 and whole.occurred_at is not None
    for order, notice in zip(orders, (whole, part), strict=False):
        assert notice.metadata == Metadata.of(order, 19900, "RUB")
        assert notice == till.gateway.read_back(till.ref(order, pages[orders.index(order)]))
        assert "metadata" not in notice.as_json()
    # A refund of what was paid long ago is told, too.
    till.world.control("POST", "/clock", advance_seconds=30 * 3600)
    till.gateway.refund(
        till.ref(orders[0], pages[0], whole.charge_reference), amount_minor=100, key="late"
    )
    later = till.gateway.list_since(start + timedelta(hours=30))
    assert [(each.payment_id, each.refunded_minor) for each in later] == [
        (orders[0].payment_id, 100)
    ]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("yookassa", {"items": [], "next_cursor": "a"}),
        ("stripe", {"data": [], "has_more": True}),
        ("stripe", {"data": [{"id": "cs_1", "mode": "setup"}], "has_more": True}),
    ],
)
def test_a_list_that_does_not_get_on_is_given_up(name: str, page: dict[str, Any]) -> None:
    class Stuck(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *ignored: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stuck) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        gateway = GATEWAYS[name](Sandbox(f"http://127.0.0.1:{server.server_port}"))
        with pytest.raises(ProviderUnavailable, match="unexpected response"):
            list(gateway.list_since(datetime.now(UTC)))
        server.shutdown()


def _charge(till: GatewayWorld, order: CheckoutRequest, page: Checkout) -> str | None:
    return till.gateway.read_back(till.ref(order, page)).charge_reference


@pytest.mark.parametrize("amount", ["1.10", "50.00", "199.99", "4567.05", "99999.01"])
def test_amounts_are_exact_both_ways(till: GatewayWorld, amount: str) -> None:
    if till.name == "stripe" and Decimal(amount) < 40:
        amount = "40.10"
    order = till.order(amount=Decimal(amount))
    page = till.gateway.create_checkout(order)
    assert page.asked_minor == int(Decimal(amount) * 100)
    till.act(page, "pay")
    assert till.gateway.read_back(till.ref(order, page)).amount_minor == page.asked_minor


@pytest.mark.parametrize("amount", ["199.001", "NaN", "Infinity"])
def test_amounts_that_no_provider_knows_are_a_bug(till: GatewayWorld, amount: str) -> None:
    with pytest.raises(ValueError):
        till.gateway.create_checkout(till.order(amount=Decimal(amount)))


def test_the_same_order_gets_the_same_page(till: GatewayWorld) -> None:
    order = till.order()
    assert till.gateway.create_checkout(order) == till.gateway.create_checkout(order)


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "drop"},
        {"kind": "drop", "after": True},
        {"kind": "html"},
        {"kind": "html", "after": True},
        {"kind": "hang", "seconds": 0.8, "after": True},
        {"kind": "status", "status": 429, "retry_after": 0},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 500, "after": True},
    ],
)
def test_passing_trouble_leads_to_one_page(till: GatewayWorld, script: dict[str, Any]) -> None:
    order = till.order()
    if script["kind"] == "hang":
        till.lose_patience()
    till.world.inject_fault(till.name, **script, call=CREATE[till.name])
    page = till.gateway.create_checkout(order)
    assert till.gateway.create_checkout(order) == page


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "drop"},
        {"kind": "html"},
        {"kind": "hang", "seconds": 1.7},
        {"kind": "status", "status": 503},
    ],
)
def test_lasting_trouble_leaves_the_outcome_unknown(
    till: GatewayWorld, script: dict[str, Any]
) -> None:
    order = till.order()
    if script["kind"] == "hang":
        till.lose_patience()
    till.world.inject_fault(till.name, **script, times=3)
    with pytest.raises(ProviderUnavailable) as failure:
        till.gateway.create_checkout(order)
    assert (failure.value.status, failure.value.code) == (503, "provider_unavailable")
    assert int(failure.value.headers["Retry-After"]) >= 1
    till.world.control("DELETE", f"/{till.name}/faults")
    assert _later(till, order).url  # the same key finds the way


def test_a_provider_asking_for_a_long_wait_is_not_waited_for(till: GatewayWorld) -> None:
    till.world.inject_fault(till.name, "status", status=429, retry_after=60)
    with pytest.raises(ProviderUnavailable) as failure:
        till.gateway.create_checkout(till.order())
    assert failure.value.headers["Retry-After"] == "60"


def test_an_order_that_is_refused_is_refused_for_good(till: GatewayWorld) -> None:
    with pytest.raises(ProviderRejected) as failure:
        till.gateway.create_checkout(till.order(amount=Decimal("0.10")))
    assert (failure.value.status, failure.value.code) == (409, "provider_rejected")
    assert "amount" in str(failure.value).lower()


def test_wrong_keys_are_the_operators_trouble(till: GatewayWorld) -> None:
    made = {
        "yookassa": lambda kind: kind(till.world.yookassa, "100500", "test_x", patience=QUICK),
        "stripe": lambda kind: kind(till.world.stripe, "sk_test_x", ("x",), patience=QUICK),
    }
    gateway = made[till.name](type(till.gateway))
    with pytest.raises(ProviderMisconfigured) as failure:
        gateway.create_checkout(till.order())
    assert failure.value.status == 503


def test_a_refund_in_parts_is_told_in_total(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    ref = till.ref(order, page)
    first = till.gateway.refund(ref, amount_minor=5000, key=f"{order.payment_id}-1")
    assert (first.outcome, first.refunded_minor) == (Outcome.REFUNDED, 5000)
    again = till.gateway.refund(ref, amount_minor=5000, key=f"{order.payment_id}-1")
    assert again == first
    second = till.gateway.refund(ref, amount_minor=14900, key=f"{order.payment_id}-2")
    assert second.refunded_minor == 19900
    assert first.event_id != second.event_id
    state = till.gateway.read_back(ref)
    assert (state.outcome, state.refunded_minor) == (Outcome.REFUNDED, 19900)
    assert (state.payment_id, state.amount_minor) == (order.payment_id, 19900)
    with pytest.raises(ProviderRejected):
        till.gateway.refund(ref, amount_minor=1, key=f"{order.payment_id}-3")


def test_a_refund_is_found_by_its_key_when_the_provider_has_long_forgotten_that(
    till: GatewayWorld,
) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    ref = till.ref(order, page)
    assert till.gateway.find_refund(ref, amount_minor=5000, key="k-1") is None
    made = [till.gateway.refund(ref, amount_minor=minor, key=f"k-{minor}") for minor in (5000, 100)]
    till.world.control("POST", "/clock", advance_seconds=25 * 3600)
    found = till.gateway.find_refund(ref, amount_minor=5000, key="k-5000")
    assert found is not None and found.refund_reference == made[0].refund_reference
    assert till.gateway.find_refund(ref, amount_minor=None, key="k-100") is not None
    with pytest.raises(ProviderRejected, match="a refund of 50.00 was made with this key"):
        till.gateway.find_refund(ref, amount_minor=6000, key="k-5000")


def test_of_more_refunds_than_a_page_holds_each_is_found(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    ref = till.ref(order, page)
    for number in range(101):
        till.gateway.refund(ref, amount_minor=100, key=f"k-{number}")
    assert till.gateway.find_refund(ref, amount_minor=100, key="k-0") is not None
    assert till.gateway.find_refund(ref, amount_minor=100, key="k-101") is None


def test_a_refund_and_its_webhook_are_one_event(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    till.listen()
    mine = till.gateway.refund(till.ref(order, page), amount_minor=5000, key="r-1")
    posted = till.notices(1 if till.name == "yookassa" else 2)
    (theirs,) = [each for each in posted if each.outcome is Outcome.REFUNDED]
    assert theirs.event_id == mine.event_id
    assert theirs.refunded_minor == 5000


def test_what_was_never_paid_cannot_be_refunded(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    with pytest.raises(ProviderRejected):
        till.gateway.refund(till.ref(order, page), amount_minor=19900, key="r-1")


def test_an_expired_page_is_told_and_found(till: GatewayWorld) -> None:
    till.listen()
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "expire")
    (event,) = till.notices(1)
    assert event.outcome is till.gateway.read_back(till.ref(order, page)).outcome is Outcome.EXPIRED
    assert event.payment_id == order.payment_id


def test_a_paid_page_cannot_be_closed(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    assert till.gateway.close(till.ref(order, page)).outcome is Outcome.SUCCEEDED


def test_the_inbox_keeps_a_notice_whole_and_nothing_personal(till: GatewayWorld) -> None:
    till.listen()
    page = till.gateway.create_checkout(till.order())
    till.act(page, "pay")
    for notice in till.notices(1 if till.name == "yookassa" else 3):
        kept = json.dumps(notice.as_json())
        assert Notice.from_json(json.loads(kept)) == notice
        assert len(kept) < 4096
        for secret in ("last4", "bank_card", "example.org", "Payer"):
            assert secret not in kept


def test_keys_are_never_logged(till: GatewayWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    till.world.inject_fault(till.name, "html")
    till.gateway.create_checkout(till.order())
    with pytest.raises(ProviderRejected):
        till.gateway.create_checkout(till.order(amount=Decimal("0.10")))
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "provider call" in logged
    for secret in (KEYS.yookassa_secret_key, KEYS.stripe_secret_key, "Authorization"):
        assert secret not in logged


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b'"x"', b"\xff", b'{"type":1}', b"[" * 100_000]
)
def test_a_body_that_is_no_event_is_the_senders_mistake(till: GatewayWorld, body: bytes) -> None:
    # Signed, so by somebody who has the secret; YooKassa does not look at it.
    headers = Signer(Clock(), list(KEYS.stripe_webhook_secrets)).headers(body)
    with pytest.raises(ApiError) as refused:
        till.gateway.parse_event(body, headers, client_ip=None, now=datetime.now(UTC))
    assert (refused.value.status, refused.value.code) == (400, "bad_request")


def test_hints_say_what_must_be_read(till: GatewayWorld) -> None:
    till.listen()
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    till.gateway.refund(till.ref(order, page), amount_minor=100, key="r")
    events = [
        till.read(posted) for posted in till.shop.wait_for(2 if till.name == "yookassa" else 5)
    ]
    hints = [event for event in events if isinstance(event, Hint)]
    assert hints
    assert all(hint.signed is (till.name == "stripe") for hint in hints)


def _later(till: GatewayWorld, order: CheckoutRequest) -> Checkout:
    """The page, once the provider has finished the hanging call: until then its key is in use."""
    pages: list[Checkout] = []

    def answered() -> bool:
        with suppress(ProviderUnavailable):
            pages.append(till.gateway.create_checkout(order))
        return bool(pages)

    wait_until(answered)
    return pages[0]
