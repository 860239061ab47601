"""A simulated YooKassa on loopback, true to the wire: one test shop, without bank or money.

Mount `api` at /yookassa/v3, `pages` at /yookassa/pay and `control` at /control/yookassa; the base
URL of the API is then http://127.0.0.1:<port>/yookassa/v3.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from local.sandbox.clock import Clock
from local.sandbox.faults import Faults
from local.sandbox.keys import Keys
from local.sandbox.webhooks import Sender
from local.sandbox.yookassa.control import control_blueprint, pages_blueprint
from local.sandbox.yookassa.shop import LIFETIME_SECONDS, Shop, timestamp
from local.sandbox.yookassa.wire import Refusal, check_key, fault_response

SHOP_ID = "100500"
SECRET_KEY = "test_sandbox-not-a-secret"  # noqa: S105 - public on purpose


class YooKassaSandbox:
    """One shop: its state, its notifications, and the blueprints that serve them."""

    def __init__(
        self,
        clock: Clock,
        shop_id: str = SHOP_ID,
        secret_key: str = SECRET_KEY,
        *,
        webhook_url: str | None = None,
    ) -> None:
        self._login = (shop_id, secret_key)
        self._keys = Keys()
        self.sender = Sender(
            headers=lambda body: {},  # YooKassa signs nothing
            acknowledged=lambda status: status == 200,
            lifetime=LIFETIME_SECONDS,
            url=webhook_url,
        )
        self.shop = Shop(shop_id, clock, self.sender, _page_url)
        self.faults = Faults(fault_response)
        self.api = Blueprint("yookassa", __name__)
        self.api.register_error_handler(Refusal, Refusal.response)
        self.api.before_request(self._authenticate)
        self._serve_payments()
        self._serve_refunds()
        self.pages = pages_blueprint(self.shop, self.sender)
        self.control = control_blueprint(self)

    def _serve_payments(self) -> None:
        shop, post, get = self.shop, self._post, self._get
        api = self.api
        api.post("/payments", endpoint="create_payment")(
            post("create_payment", lambda body: shop.create(body))
        )
        api.get("/payments", endpoint="list_payments")(
            get("list_payments", lambda: _list_page(list(shop.payments), shop.read_payment))
        )
        api.get("/payments/<identifier>", endpoint="read_payment")(
            get("read_payment", shop.read_payment)
        )
        api.post("/payments/<identifier>/capture", endpoint="capture_payment")(
            post("capture_payment", lambda body, identifier: shop.capture(identifier))
        )
        api.post("/payments/<identifier>/cancel", endpoint="cancel_payment")(
            post(
                "cancel_payment",
                lambda body, identifier: shop.cancel(
                    identifier,
                    party="merchant",
                    reason="canceled_by_merchant",
                    was="waiting_for_capture",
                ),
            )
        )

    def _serve_refunds(self) -> None:
        shop, api = self.shop, self.api
        api.post("/refunds", endpoint="create_refund")(
            self._post("create_refund", lambda body: shop.refund(body))
        )
        api.get("/refunds", endpoint="list_refunds")(
            self._get("list_refunds", lambda: _list_page(list(shop.refunds), shop.read_refund))
        )
        api.get("/refunds/<identifier>", endpoint="read_refund")(
            self._get("read_refund", shop.read_refund)
        )

    def _authenticate(self) -> None:
        given = request.authorization
        right = f"{self._login[0]}:{self._login[1]}".encode()
        if given is None or given.type != "basic":
            raise Refusal(401, parameter="Authorization")
        if not hmac.compare_digest(f"{given.username}:{given.password}".encode(), right):
            raise Refusal(401, parameter="Authorization")

    def _get(self, call: str, read: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
        def view(**identifiers: str) -> Response:
            return self.faults.serve(call, lambda: jsonify(read(**identifiers)))

        return view

    def _post(self, call: str, act: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
        def view(**identifiers: str) -> Response:
            return self.faults.serve(call, lambda: self._act_once(act, identifiers))

        return view

    def _act_once(
        self, act: Callable[..., dict[str, Any]], identifiers: dict[str, str]
    ) -> Response:
        """Act, or replay the key's first answer; a refused request leaves no trace."""
        key = check_key(request.headers.get("Idempotence-Key"))
        body = _json_body()
        fingerprint = json.dumps([request.path, body], sort_keys=True)
        with self.shop.lock:  # a concurrent duplicate waits here for the first answer
            entry, first = self._keys.take(key, fingerprint, self.shop.clock.now())
            if not first:
                if entry.fingerprint != fingerprint:
                    raise Refusal(400, "Idempotence key duplicated", "Idempotence-Key")
                return jsonify(entry.body)
            try:
                entry.body = act(body, **identifiers)
            except Refusal:
                self._keys.forget(key)
                raise
            return jsonify(entry.body)


def _json_body() -> dict[str, Any]:
    if not request.data and request.path.endswith(("/capture", "/cancel")):
        return {}
    if request.mimetype != "application/json":
        raise Refusal(400, "Content-Type must be application/json", "Content-Type")
    body = request.get_json(silent=True)
    # The official SDK posts a cancel as the JSON null.
    if body is None and request.data.strip() in (b"", b"null"):
        return {}
    if not isinstance(body, dict):
        raise Refusal(400, "Cannot parse the request body")
    return body


def _moment(text: str) -> str:
    """A time as the shop writes them, which sort as they follow each other."""
    try:
        return timestamp(datetime.fromisoformat(text).astimezone(UTC))
    except ValueError:
        raise Refusal(400, "Not a time", "created_at.gte") from None


def _page_url(identifier: str) -> str:
    mount = request.path.partition("/v3/")[0]
    return f"{request.url_root.rstrip('/')}{mount}/pay/{identifier}"


def _list_page(identifiers: list[str], read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Newest first, filtered by status, payment_id and time, in pages of `limit` after `cursor`."""
    limit = request.args.get("limit", 10, type=int)
    if not 1 <= limit <= 100:
        raise Refusal(400, "1 to 100", "limit")
    rows = [read(identifier) for identifier in reversed(identifiers)]
    for name in ("status", "payment_id"):
        if wanted := request.args.get(name):
            rows = [row for row in rows if row.get(name) == wanted]
    if since := request.args.get("created_at.gte"):
        rows = [row for row in rows if row["created_at"] >= _moment(since)]
    cursor = request.args.get("cursor")
    if cursor:
        after = [index for index, row in enumerate(rows) if row["id"] == cursor]
        if not after:
            raise Refusal(400, "Unknown cursor", "cursor")
        rows = rows[after[0] + 1 :]
    page = rows[:limit]
    listed: dict[str, Any] = {"type": "list", "items": page}
    return listed | ({"next_cursor": page[-1]["id"]} if len(rows) > limit else {})
