"""A simulated Bot API on loopback, true to the wire: api.telegram.org without the people.

One TelegramSandbox is one bot and its world. Mount `api` at /telegram and `control` at
/control/telegram; the base URL of the Bot API is then http://127.0.0.1:<port>/telegram.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from local.sandbox.faults import Fault, Faults
from local.sandbox.telegram.callbacks import Callbacks
from local.sandbox.telegram.chat_methods import ChatMethods
from local.sandbox.telegram.control import control_blueprint
from local.sandbox.telegram.copy_methods import CopyMethods
from local.sandbox.telegram.delivery import Delivery
from local.sandbox.telegram.edit_methods import EditMethods
from local.sandbox.telegram.files import Files
from local.sandbox.telegram.invoices import Invoices
from local.sandbox.telegram.limits import Limits
from local.sandbox.telegram.pay_page import pay_page_blueprint
from local.sandbox.telegram.people import People
from local.sandbox.telegram.profile_methods import ProfileMethods
from local.sandbox.telegram.send_methods import SendMethods
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
        self.files, self.limits, self.calls = Files(), Limits(), Counter[str]()
        self.profile = ProfileMethods(self.state)
        callbacks = Callbacks(self.state, self.delivery)
        self.people = People(self.state, self.delivery, self.files, callbacks)
        self._sending = SendMethods(self.state, self.files, self.limits)
        self._methods = self._table(callbacks)
        self.api = Blueprint("telegram", __name__)
        self.api.add_url_rule("/bot<token>/<method>", "call", self._serve, methods=["GET", "POST"])
        self.api.add_url_rule("/file/bot<token>/<path:path>", "file", self._download)
        self.api.register_blueprint(pay_page_blueprint(self.invoices))
        self.control = control_blueprint(self)

    def _table(self, callbacks: Callbacks) -> dict[str, Callable[[Parameters], Any]]:
        """Every method there is, by lower-cased name."""
        return {
            **ChatMethods(self.state).table,
            **WebhookMethods(self.delivery).table,
            **self._sending.table,
            **EditMethods(self.state, self.files, self.limits).table,
            **CopyMethods(self.state, self.files, self._sending).table,
            **self.profile.table,
            "getfile": self.files.get_file,
            "answercallbackquery": callbacks.answer,
            "createinvoicelink": self._create_invoice_link,
            "sendinvoice": self._send_invoice,
            "answerprecheckoutquery": self.invoices.answer,
            "refundstarpayment": self.invoices.refund,
            "getstartransactions": self.invoices.transactions,
            "getmystarbalance": self.invoices.balance,
        }

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
        self.calls[method] += 1
        if method not in self._methods:
            # The real server answers 404, which libraries take for a wrong token: misleading here,
            # where the method may well exist.
            raise Refusal(400, f'Bad Request: this sandbox has no method "{method}"')
        return self.faults.serve(
            method, lambda: success(self._methods[method](Parameters.of(request)))
        )

    def _create_invoice_link(self, parameters: Parameters) -> str:
        # The real link is https://t.me/$<slug>; here it opens a page that anybody can pay on.
        invoice = self.invoices.create_link(parameters)
        return f"{request.url_root.rstrip('/')}{_mount_point()}/invoice/{invoice.slug}"

    def _send_invoice(self, parameters: Parameters) -> dict[str, Any]:
        chat = self.state.writable_chat(parameters.chat_id())
        invoice = self.invoices.create_link(parameters)
        shown = {
            "title": invoice.title,
            "description": invoice.description,
            "start_parameter": parameters.text("start_parameter", ""),
            "currency": invoice.currency,
            "total_amount": invoice.total,
        }
        call = self.invoices.message(invoice, parameters)
        message = self._sending.post(chat, call, {"invoice": shown})
        self.invoices.sent[chat.id, message["message_id"]] = invoice.slug
        return message

    def _download(self, token: str, path: str) -> Response:
        """The file of a file_path that getFile gave."""
        stored = self.files.at(path)
        if token != self.token or stored is None:
            return Refusal(404, "Not Found").response()
        # Whatever it is: people's files are never shown as pages.
        return Response(stored.content, mimetype="application/octet-stream")

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
