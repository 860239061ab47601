"""Specific to YooKassa: nothing is signed, so nothing is believed that cannot be read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

from errors import ApiError
from providers.payments import (
    Gateway,
    Hint,
    Notice,
    Outcome,
    PaymentRef,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from providers.payments.receipts import ReceiptRules
from providers.payments.source_addresses import SourceFilter
from providers.payments.yookassa import YooKassaGateway
from tests.payment_world import Sandbox, Shop
from tests.providers.payments.conftest import QUICK, GatewayWorld, yookassa

STRANGER = "30c1a5f2-000f-5000-8000-1b7c5d9e2a44"
RECEIPTS = ReceiptRules(
    email="receipts@example.org",
    vat_code=1,
    tax_system_code=2,
    payment_subject="service",
    payment_mode="full_payment",
)


@pytest.fixture
def till(payments: Sandbox, shop: Shop) -> GatewayWorld:
    return GatewayWorld("yookassa", yookassa(payments), payments, shop)


def notification(event: str, **fields: Any) -> bytes:
    return json.dumps({"type": "notification", "event": event, "object": fields}).encode()


def parse(gateway: Gateway, raw: bytes, client_ip: str | None = None) -> Any:
    return gateway.parse_event(raw, {}, client_ip=client_ip, now=datetime.now(UTC))


def test_still_processing_is_asked_again_with_the_same_key(till: GatewayWorld) -> None:
    till.world.inject_fault("yookassa", "status", status=202, retry_after=0.05)
    assert till.gateway.create_checkout(till.order()).url


def test_what_is_claimed_but_not_so_changes_nothing(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    claimed = notification(
        "payment.succeeded",
        id=page.reference,
        status="succeeded",
        paid=True,
        amount={"value": "100000.00", "currency": "RUB"},
    )
    hint = parse(till.gateway, claimed)
    assert isinstance(hint, Hint) and not hint.signed
    truth = till.gateway.confirm(hint)
    assert (truth.outcome, truth.amount_minor) == (Outcome.PENDING, 19900)


def test_strangers_are_told_by_metadata_and_reference(till: GatewayWorld) -> None:
    payment_id = uuid4()
    hint = parse(
        till.gateway,
        notification("payment.succeeded", id=STRANGER, metadata={"payment_id": str(payment_id)}),
    )
    assert (hint.reference, hint.payment_id) == (STRANGER, payment_id)
    with pytest.raises(SignatureInvalid):
        till.gateway.confirm(hint)


def test_a_refund_of_somebody_elses_payment_is_forged(till: GatewayWorld) -> None:
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    refund = till.gateway.refund(till.ref(order, page), amount_minor=100, key="r")
    forged = notification("refund.succeeded", id=refund.refund_reference, payment_id=STRANGER)
    with pytest.raises(SignatureInvalid):
        till.gateway.confirm(parse(till.gateway, forged))


@pytest.mark.parametrize(
    "raw",
    [
        notification("payment.succeeded"),
        notification("payment.succeeded", id="../refunds"),
        notification("payment.succeeded", id=STRANGER + "/../../me"),
        notification("payment.succeeded", id=STRANGER.upper()),
        notification("payment.succeeded", id=[STRANGER]),
        notification("refund.succeeded", id=STRANGER),
        b'{"type":"notification","event":"payment.succeeded","object":[]}',
        b'{"type":"notification","event":["payment.succeeded"]}',
        b'{"type":"other","event":"payment.succeeded"}',
    ],
)
def test_no_id_reaches_a_url_unchecked(till: GatewayWorld, raw: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse(till.gateway, raw)
    assert refused.value.code == "bad_request"


def test_other_events_are_not_our_business(till: GatewayWorld) -> None:
    for event in ("payout.succeeded", "deal.closed", "payment_method.active", "tomorrow.new"):
        assert parse(till.gateway, notification(event, id=STRANGER)) is None


def test_a_decline_is_told_with_its_reason(till: GatewayWorld) -> None:
    till.listen()
    till.act(till.gateway.create_checkout(till.order()), "decline", reason="insufficient_funds")
    (notice,) = till.notices(1)
    assert notice.outcome is Outcome.CANCELED
    assert notice.raw["cancellation_details"]["reason"] == "insufficient_funds"


def test_a_success_told_late_says_what_was_refunded_since(till: GatewayWorld) -> None:
    till.listen()
    till.world.control("PUT", "/yookassa/webhook", paused=True)
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    till.gateway.refund(till.ref(order, page), amount_minor=5000, key="r")
    till.world.control("PUT", "/yookassa/webhook", paused=False, newest_first=True)
    refund, success = till.notices(2)
    assert refund.kind == "refund.succeeded"
    assert (success.outcome, success.refunded_minor) == (Outcome.REFUNDED, 5000)


def waiting_refund(till: GatewayWorld) -> tuple[PaymentRef, Notice]:
    """A payment, and a refund of 50 rubles of it that the bank has still to decide about."""
    order = till.order()
    page = till.gateway.create_checkout(order)
    till.act(page, "pay")
    ref = till.ref(order, page)
    till.world.control("PUT", "/yookassa/refunds", wait=True)
    waiting = till.gateway.refund(ref, amount_minor=5000, key="r-1")
    return ref, waiting


def test_a_refund_that_waits_is_pending_until_it_is_done(till: GatewayWorld) -> None:
    ref, waiting = waiting_refund(till)
    assert waiting.outcome is Outcome.PENDING
    assert till.gateway.read_back(ref).outcome is Outcome.SUCCEEDED
    till.world.control("POST", f"/yookassa/refunds/{waiting.refund_reference}/succeed")
    assert till.gateway.read_back(ref).refunded_minor == 5000


def test_receipts_cost_what_is_paid_and_what_is_returned(payments: Sandbox, shop: Shop) -> None:
    till = GatewayWorld("yookassa", yookassa(payments, receipts=RECEIPTS), payments, shop)
    order = till.order(title="Т" * 200)
    page = till.gateway.create_checkout(order)  # the sandbox checks sums and lengths
    till.act(page, "pay")
    assert till.gateway.refund(till.ref(order, page), amount_minor=4999, key="r").refunded_minor
    receipt = RECEIPTS.receipt("20 токенов", 19900, "RUB")
    assert receipt["tax_system_code"] == 2
    assert receipt["items"][0]["amount"] == {"value": "199.00", "currency": "RUB"}


def test_only_yookassas_networks_are_listened_to_when_asked_so(payments: Sandbox) -> None:
    gateway = yookassa(payments, sources=SourceFilter([]))
    raw = notification("payment.succeeded", id=STRANGER)
    assert parse(gateway, raw, "185.71.77.3").object_id == STRANGER
    with pytest.raises(SignatureInvalid):
        parse(gateway, raw, "203.0.113.7")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": STRANGER},
        {"id": STRANGER, "status": "brand_new"},
        {
            "id": "30c1a5f2-000f-5000-8000-000000000000",  # a whole payment, but another one
            "status": "succeeded",
            "amount": {"value": "199.00", "currency": "RUB"},
            "created_at": "2026-11-24T12:00:00.000Z",
            "test": True,
        },
        {"status": "succeeded", "test": True, "id": STRANGER, "amount": {"value": 199}},
        {"status": "succeeded", "test": True, "id": STRANGER, "amount": None, "metadata": []},
    ],
)
def test_an_answer_of_another_shape_ends_no_payment(
    till: GatewayWorld, answer: dict[str, Any]
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        gateway = YooKassaGateway(
            f"http://127.0.0.1:{server.server_port}", "1", "x", patience=QUICK
        )
        order = till.order()
        page = till.gateway.create_checkout(order)
        with pytest.raises(ProviderUnavailable):
            gateway.confirm(parse(gateway, notification("payment.succeeded", id=STRANGER)))
        with pytest.raises(ProviderUnavailable):
            gateway.create_checkout(order)
        with pytest.raises(ProviderUnavailable):
            gateway.read_back(till.ref(order, page))
        server.shutdown()


def test_a_refund_that_the_bank_cancels_is_refused(till: GatewayWorld) -> None:
    ref, waiting = waiting_refund(till)
    till.world.control("POST", f"/yookassa/refunds/{waiting.refund_reference}/cancel")
    assert till.gateway.read_back(ref).outcome is Outcome.SUCCEEDED
    with pytest.raises(ProviderRejected):
        till.gateway.refund(ref, amount_minor=20000, key="r-2")
