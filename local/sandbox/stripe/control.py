"""Controls of the simulated account that Stripe does not have, and the page to pay on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, jsonify, request

from local.sandbox.control import body, refuse_invalid_requests, serve_faults_and_events
from local.sandbox.pay_page import PayPage, losing_if_wished
from local.sandbox.stripe.account import Account
from local.sandbox.stripe.store import public_copy
from local.sandbox.stripe.wire import Refusal
from local.sandbox.webhooks import Sender

if TYPE_CHECKING:
    from local.sandbox.stripe import StripeSandbox

DISPUTE_ENDS = ("won", "lost", "warning_closed")


def control_blueprint(sandbox: StripeSandbox) -> Blueprint:
    """Endpoints to pay, expire, end slow payments, refunds and disputes, sign, cause faults."""
    control = Blueprint("stripe_control", __name__)
    control.register_error_handler(Refusal, Refusal.response)
    refuse_invalid_requests(control)
    serve_faults_and_events(control, sandbox.faults, sandbox.sender)
    _sessions(control, sandbox.account)
    _returns(control, sandbox.account)

    @control.put("/signing")
    def change_signing() -> Response:
        """secrets: all that are valid now. skew_seconds: how far Stripe's clock is off."""
        wanted = body()
        sandbox.signer.secrets = list(wanted.pop("secrets", sandbox.signer.secrets))
        sandbox.signer.skew_seconds = int(wanted.pop("skew_seconds", sandbox.signer.skew_seconds))
        if wanted:
            raise ValueError(f"unknown: {', '.join(wanted)}")
        return jsonify({"secrets": len(sandbox.signer.secrets)})

    return control


def _sessions(control: Blueprint, account: Account) -> None:
    @control.post("/sessions/<identifier>/pay")
    def pay(identifier: str) -> Response:
        return jsonify(public_copy(account.pay(identifier, slow=bool(body().get("slow")))))

    @control.post("/sessions/<identifier>/decline")
    def decline(identifier: str) -> Response:
        """reason: Stripe's decline_code."""
        reason = str(body().get("reason", "generic_decline"))
        return jsonify(public_copy(account.decline(identifier, reason)))

    @control.post("/sessions/<identifier>/settle")
    def settle(identifier: str) -> Response:
        return jsonify(public_copy(account.settle(identifier, paid=bool(body()["paid"]))))

    @control.post("/sessions/<identifier>/expire")
    def expire(identifier: str) -> Response:
        return jsonify(public_copy(account.expire(identifier)))

    @control.post("/sessions/<identifier>/dispute")
    def dispute(identifier: str) -> Response:
        inquiry = bool(body().get("inquiry"))
        return jsonify(public_copy(account.dispute(identifier, inquiry=inquiry)))


def _returns(control: Blueprint, account: Account) -> None:
    @control.post("/disputes/<identifier>/<status>")
    def end_dispute(identifier: str, status: str) -> Response:
        if status not in DISPUTE_ENDS:
            abort(404)
        return jsonify(public_copy(account.end_dispute(identifier, status)))

    @control.put("/refunds")
    def put_refunds() -> Response:
        account.refunds_wait = bool(body()["wait"])
        return jsonify({"wait": account.refunds_wait})

    @control.post("/refunds/<identifier>/<end>")
    def end_refund(identifier: str, end: str) -> Response:
        if end not in ("succeed", "fail"):
            abort(404)
        return jsonify(public_copy(account.end_refund(identifier, failed=end == "fail")))


def pages_blueprint(account: Account, sender: Sender) -> Blueprint:
    """GET shows a session, POST pays it or has the card declined, after which one may try again."""
    pages = Blueprint("stripe_pages", __name__)

    @pages.get("/<identifier>")
    def show(identifier: str) -> Response:
        return _page(account, identifier, declined=False)

    @pages.post("/<identifier>")
    def act(identifier: str) -> Response:
        declined = request.form.get("do") != "pay"
        # Pressed twice, or too late: the page shows the state.
        with losing_if_wished(sender), contextlib.suppress(Refusal):
            if declined:
                account.decline(identifier, "generic_decline")
            else:
                account.pay(identifier)
        return _page(account, identifier, declined=declined)

    return pages


def _page(account: Account, identifier: str, *, declined: bool) -> Response:
    try:
        session = account.get(identifier, "checkout.session")
    except Refusal:
        abort(404)
    texts = {
        "open": "Карта отклонена, попробуйте ещё раз" if declined else "",
        "complete": "Оплачено",
        "expired": "Срок оплаты истёк",
    }
    return PayPage(
        provider="Stripe",
        title=session["_name"],
        minor=session["amount_total"],
        currency=session["currency"].upper(),
        payable=session["status"] == "open",
        return_url=session["success_url"],
        status_text=texts[session["status"]],
    ).response()
