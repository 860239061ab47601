"""A simulated Bot API on loopback, true to the wire: api.telegram.org without the people.

One TelegramSandbox is one bot and its world. Mount `api` at /telegram and `control` at
/control/telegram; the base URL of the Bot API is then http://127.0.0.1:<port>/telegram.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, request

from local.sandbox.faults import Fault, Faults
from local.sandbox.telegram.control import control_blueprint
from local.sandbox.telegram.delivery import Delivery
from local.sandbox.telegram.invoices import Invoices
from local.sandbox.telegram.methods import ChatMethods
from local.sandbox.telegram.pay_page import pay_page_blueprint
from local.sandbox.telegram.state import State
from local.sandbox.telegram.webhook_methods import WebhookMethods
from local.sandbox.telegram.wire import Parameters, Refusal, success

TOKEN = "1000001:SANDBOX-not-a-secret-0123456789abcd"  # noqa: S105 - public on purpose
USERNAME = "sandbox_live_photo_bot"
PROVIDER_TOKEN = "1000001:TEST:sandbox"  # noqa: S105 - public on purpose

_TOKEN_FORM = re.compile(r"\d+:[A-Za-z0-9_-]{20,}")


class TelegramSandbox:
    """One bot: its state, its invoices, its update queues, and the blueprints that serve them."""

    def __init__(
        self,
        token: str = TOKEN,
        username: str = USERNAME,
        *,
        provider_tokens: tuple[str, ...] = (PROVIDER_TOKEN,),
    ) -> None:
        self.token = token
        self.state = State(bot_id=int(token.partition(":")[0]), bot_username=username)
        self.delivery = Delivery(run_reply=self._run_reply)
        self.invoices = Invoices(self.state, self.delivery, provider_tokens)
        self.faults = Faults(_fault_response)
        webhook = WebhookMethods(self.delivery)
        self._methods = {
            **ChatMethods(self.state).table,
            **webhook.table,
            "createinvoicelink": self._create_invoice_link,
            "answerprecheckoutquery": self.invoices.answer,
            "refundstarpayment": self.invoices.refund,
            "getstartransactions": self.invoices.transactions,
        }
        self.api = Blueprint("telegram", __name__)
        self.api.add_url_rule("/bot<token>/<method>", "call", self._serve, methods=["GET", "POST"])
        self.api.register_blueprint(pay_page_blueprint(self.invoices))
        self.control = control_blueprint(self)

    def _serve(self, token: str, method: str) -> Response:
        try:
            self._check_token(token)
            return self._answer(method.lower())
        except Refusal as refusal:
            return refusal.response()

    def _check_token(self, token: str) -> None:
        if not _TOKEN_FORM.fullmatch(token):
            raise Refusal(404, "Not Found")
        if token != self.token:
            raise Refusal(401, "Unauthorized")

    def _answer(self, method: str) -> Response:
        if method not in self._methods:
            raise Refusal(404, "Not Found: method not found")
        return self.faults.serve(
            method, lambda: success(self._methods[method](Parameters.of(request)))
        )

    def _create_invoice_link(self, parameters: Parameters) -> str:
        # The real link is https://t.me/$<slug>; here it opens a page that anybody can pay on.
        invoice = self.invoices.create_link(parameters)
        return f"{request.url_root.rstrip('/')}{_mount_point()}/invoice/{invoice.slug}"

    def _run_reply(self, method: str, body: dict[str, Any]) -> None:
        if method in self._methods:
            try:
                self._methods[method](Parameters(body))
            except Refusal:
                return  # the real server reports no result either


def _mount_point() -> str:
    """Where this blueprint is mounted, "" or "/telegram"."""
    return request.path.partition("/bot")[0]


def _fault_response(fault: Fault) -> Response:
    """The answer of a `status` fault, in the format of the Bot API."""
    if fault.retry_after is None:
        return Refusal(fault.status, fault.description or "Scripted error").response()
    seconds = max(int(fault.retry_after), 1)
    return Refusal(
        fault.status,
        fault.description or f"Too Many Requests: retry after {seconds}",
        {"retry_after": seconds},
    ).response()
