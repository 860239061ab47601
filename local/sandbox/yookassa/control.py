"""Controls of the simulated shop that YooKassa does not have, and the page to pay on."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from local.sandbox.control import body, refuse_invalid_requests, serve_faults_and_events
from local.sandbox.pay_page import PayPage, losing_if_wished
from local.sandbox.webhooks import Sender
from local.sandbox.yookassa.shop import DECLINES, Shop
from local.sandbox.yookassa.wire import Refusal

if TYPE_CHECKING:
    from local.sandbox.yookassa import YooKassaSandbox

STATUS_TEXTS = {
    "pending": "",
    "waiting_for_capture": "Деньги удержаны, магазин ещё не подтвердил платёж",
    "succeeded": "Оплачено",
    "canceled": "Платёж отменён",
}


def control_blueprint(sandbox: YooKassaSandbox) -> Blueprint:
    """Endpoints to pay, decline, expire, end refunds and cause faults."""
    control = Blueprint("yookassa_control", __name__)
    control.register_error_handler(Refusal, Refusal.response)
    refuse_invalid_requests(control)
    serve_faults_and_events(control, sandbox.faults, sandbox.sender)
    shop = sandbox.shop

    @control.post("/payments/<identifier>/pay")
    def pay(identifier: str) -> Response:
        return jsonify(shop.pay(identifier))

    @control.post("/payments/<identifier>/decline")
    def decline(identifier: str) -> Response:
        reason = body().get("reason", "general_decline")
        if reason not in DECLINES:
            raise ValueError(f"reason must be one of {', '.join(DECLINES)}")
        return jsonify(_decline(shop, identifier, reason))

    @control.post("/payments/<identifier>/expire")
    def expire(identifier: str) -> Response:
        return jsonify(shop.cancel(identifier, party="yoo_money", reason="expired_on_confirmation"))

    @control.put("/refunds")
    def put_refunds() -> Response:
        shop.refunds_wait = bool(body()["wait"])
        return jsonify({"wait": shop.refunds_wait})

    @control.post("/refunds/<identifier>/<end>")
    def end_refund(identifier: str, end: str) -> Response:
        if end not in ("succeed", "cancel"):
            abort(404)
        return jsonify(shop.end_refund(identifier, canceled=end == "cancel"))

    return control


def pages_blueprint(shop: Shop, sender: Sender) -> Blueprint:
    """GET shows a payment, POST pays or declines it."""
    pages = Blueprint("yookassa_pages", __name__)

    @pages.get("/<identifier>")
    def show(identifier: str) -> Response:
        return _page(shop, identifier)

    @pages.post("/<identifier>")
    def act(identifier: str) -> Response:
        # Pressed twice, or too late: the page shows the state.
        with losing_if_wished(sender), contextlib.suppress(Refusal):
            if request.form.get("do") == "pay":
                shop.pay(identifier)
            else:
                _decline(shop, identifier, "general_decline")
        return _page(shop, identifier)

    return pages


def _decline(shop: Shop, identifier: str, reason: str) -> dict[str, Any]:
    return shop.cancel(identifier, party="payment_network", reason=reason)


def _page(shop: Shop, identifier: str) -> Response:
    try:
        payment = shop.read_payment(identifier)
    except Refusal:
        abort(404)
    return PayPage(
        provider="ЮKassa",
        title=payment.get("description") or "Платёж",
        minor=int(Decimal(payment["amount"]["value"]) * 100),
        currency=payment["amount"]["currency"],
        payable=payment["status"] == "pending",
        return_url=shop.return_url(identifier),
        status_text=STATUS_TEXTS[payment["status"]],
    ).response()
