"""A simulated Stripe on loopback, true to the wire: one account in test mode, Checkout only.

Mount `api` at /stripe/v1, `pages` at /stripe/pay and `control` at /control/stripe; the base URL of
the API is then http://127.0.0.1:<port>/stripe.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from local.sandbox.clock import Clock
from local.sandbox.faults import Faults
from local.sandbox.keys import Entry, Keys
from local.sandbox.stripe.account import LIFETIME_SECONDS, Account
from local.sandbox.stripe.control import control_blueprint, pages_blueprint
from local.sandbox.stripe.forms import LIST_FIELDS, READ_FIELDS, REFUND_FIELDS, SESSION_FIELDS
from local.sandbox.stripe.signing import Signer
from local.sandbox.stripe.store import public_copy
from local.sandbox.stripe.wire import Fields, Refusal, fault_response, json_response, read_form
from local.sandbox.webhooks import Sender

SECRET_KEY = "sk_test_sandbox_not_a_secret"  # noqa: S105 - public on purpose
WEBHOOK_SECRET = "whsec_sandbox_not_a_secret"  # noqa: S105 - public on purpose

# Path of the API: kind of object that is read there.
READABLE = {
    "checkout/sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
}


class StripeSandbox:
    """One account: its state, its events, and the blueprints that serve them."""

    def __init__(
        self,
        clock: Clock,
        secret_key: str = SECRET_KEY,
        webhook_secrets: tuple[str, ...] = (WEBHOOK_SECRET,),
        *,
        webhook_url: str | None = None,
    ) -> None:
        self._secret_key = secret_key
        self._keys = Keys()
        self.signer = Signer(clock, list(webhook_secrets))
        self.sender = Sender(
            headers=self.signer.headers,
            acknowledged=lambda status: 200 <= status < 300,
            lifetime=LIFETIME_SECONDS,
            url=webhook_url,
        )
        self.account = Account(clock=clock, sender=self.sender, page_url=_page_url)
        self.faults = Faults(fault_response)
        self.api = Blueprint("stripe", __name__)
        self.api.register_error_handler(Refusal, Refusal.response)
        self.api.before_request(self._authenticate)
        self._serve()
        self.pages = pages_blueprint(self.account, self.sender)
        self.control = control_blueprint(self)

    def _serve(self) -> None:
        account, post = self.account, self._post
        self.api.post("/checkout/sessions", endpoint="create_session")(
            post("create_session", SESSION_FIELDS, account.create_session)
        )
        self.api.post("/checkout/sessions/<identifier>/expire", endpoint="expire_session")(
            post("expire_session", READ_FIELDS, lambda form, identifier: account.expire(identifier))
        )
        self.api.post("/refunds", endpoint="create_refund")(
            post("create_refund", REFUND_FIELDS, account.refund)
        )
        for path, kind in READABLE.items():
            name = kind.rpartition(".")[2]
            self.api.get(f"/{path}/<identifier>", endpoint=f"read_{name}")(
                self._get(f"read_{name}", kind)
            )
            self.api.get(f"/{path}", endpoint=f"list_{name}s")(
                self._list(f"list_{name}s", path, kind)
            )

    def _authenticate(self) -> None:
        given = request.authorization
        # Bearer, or as the user name of Basic.
        token = (given.token or given.username or "") if given else ""
        if not token:
            raise Refusal(401, "You did not provide an API key.", stored=False)
        if not hmac.compare_digest(token.encode(), self._secret_key.encode()):
            raise Refusal(401, f"Invalid API Key provided: {token[:8]}***", stored=False)

    def _get(self, call: str, kind: str) -> Callable[..., Response]:
        def read(identifier: str) -> Response:
            wanted = read_form(request, READ_FIELDS)
            return json_response(200, self._expand_all(self.account.get(identifier, kind), wanted))

        def view(identifier: str) -> Response:
            return self.faults.serve(call, lambda: read(identifier))

        return view

    def _list(self, call: str, path: str, kind: str) -> Callable[..., Response]:
        """Newest first, in pages of `limit`."""

        def read() -> Response:
            wanted = read_form(request, LIST_FIELDS)
            rows = self.account.listed(
                kind,
                created_since=wanted.get("created", {}).get("gte", 0),
                **{name: wanted[name] for name in ("payment_intent", "status") if name in wanted},
            )
            if after := wanted.get("starting_after"):
                ids = [row["id"] for row in rows]
                self.account.get(after, kind)
                rows = rows[ids.index(after) + 1 :] if after in ids else []
            limit = wanted.get("limit", 10)
            if not 1 <= limit <= 100:
                raise Refusal(400, "This value must be from 1 to 100", param="limit", stored=False)
            page = {"object": "list", "url": f"/v1/{path}", "data": rows[:limit]}
            page = self._expand_all(page, wanted)
            return json_response(200, page | {"has_more": len(rows) > limit})

        return lambda: self.faults.serve(call, read)

    def _post(
        self, call: str, fields: Fields, act: Callable[..., dict[str, Any]]
    ) -> Callable[..., Response]:
        def view(**identifiers: str) -> Response:
            form = read_form(request, fields)
            entry = self._entry(form)
            if entry is not None and entry.status is not None:
                answer = json_response(entry.status, entry.body)
                answer.headers["Idempotent-Replayed"] = "true"
                return answer

            def execute() -> Response:
                return self._execute(
                    entry, lambda: self._expand_all(act(form, **identifiers), form)
                )

            return self._serve_and_store(entry, lambda: self.faults.serve(call, execute))

        return view

    def _entry(self, form: Mapping[str, Any]) -> Entry | None:
        """The entry of this request's key; Refusal when the key is in use, or another's."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not 1 <= len(key) <= 255:
            raise Refusal(400, "Idempotency keys have 1 to 255 characters", stored=False)
        fingerprint = json.dumps([request.path, form], sort_keys=True)
        entry, first = self._keys.take(key, fingerprint, self.account.clock.now())
        if first:
            return entry
        if entry.fingerprint != fingerprint:
            raise Refusal(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{key}'.",
                kind="idempotency_error",
            )
        if entry.status is None:
            raise Refusal(409, code="idempotency_key_in_use", kind="idempotency_error")
        return entry

    def _execute(self, entry: Entry | None, act: Callable[[], dict[str, Any]]) -> Response:
        """Run the request; once it has begun, its key keeps the outcome, even an error."""
        try:
            status, body = 200, act()
        except Refusal as refusal:
            if not refusal.stored:
                raise
            status, body = refusal.status, refusal.body
        if entry is not None:
            entry.status, entry.body = status, body
        return json_response(status, body)

    def _serve_and_store(self, entry: Entry | None, serve: Callable[[], Response]) -> Response:
        """Serve the request; an error of a fault after execution is stored for the key."""
        try:
            answer = serve()
        finally:
            if entry is not None and entry.status is None:
                self._keys.forget(request.headers["Idempotency-Key"])
        if entry is not None and entry.status is not None and answer.is_json:
            entry.status, entry.body = answer.status_code, answer.get_json()
        return answer

    def _expand_all(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        copy = public_copy(found)
        for path in wanted.get("expand", ()):
            steps = path.split(".")
            in_list = steps[0] == "data" and isinstance(copy.get("data"), list)
            for here in copy["data"] if in_list else [copy]:
                for step in steps[in_list:]:
                    here = self._expand(here, step)
        return copy

    def _expand(self, here: dict[str, Any], step: str) -> dict[str, Any]:
        value = here.get(step)
        if step not in here or step in ("id", "object"):
            raise Refusal(400, f"This property cannot be expanded ({step}).", stored=False)
        if isinstance(value, str):
            here[step] = value = public_copy(self.account.objects[value])
        return value if isinstance(value, dict) else {"latest_charge": None, "payment_intent": None}


def _page_url(identifier: str) -> str:
    mount = request.path.partition("/v1/")[0]
    return f"{request.url_root.rstrip('/')}{mount}/pay/{identifier}"
