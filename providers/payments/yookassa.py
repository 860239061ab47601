"""YooKassa: payments by redirect, captured at once; notifications are hints, the API is the truth.

Protocol: https://yookassa.ru/developers/api. Nothing that YooKassa posts is signed, so a
notification is trusted only after the object has been read back with our own key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from errors import ApiError
from providers.dialects import Dialect, Refusal
from providers.http import Patience, Transport
from providers.payments import (
    Checkout,
    CheckoutRequest,
    Event,
    Hint,
    Metadata,
    Notice,
    PaymentRef,
    ProviderRejected,
    SignatureInvalid,
    from_minor,
    require_amount,
    to_minor,
)
from providers.payments.ask_limit import AskLimit
from providers.payments.receipts import ReceiptRules
from providers.payments.source_addresses import SourceFilter
from providers.payments.webhooks import UNREADABLE, header, json_object
from providers.payments.yookassa_objects import (
    EVENTS,
    PROVIDER,
    checked_id,
    minor,
    read_hint,
    read_payment,
    read_refund,
    reason,
    strange,
)

MAX_DESCRIPTION = 128
# An unpaid payment expires after about an hour; no response gives the exact time.
PAY_WITHIN = timedelta(hours=1)
GONE = (404, 410)
# YooKassa reports one payment a few times, repeats included; more must come from others.
HINTS_PER_MINUTE = 30


class YooKassaGateway:
    """The shop `shop_id`. receipts: None if YooKassa registers no fiscal receipts for it.

    sources: None to accept notifications from any address.
    """

    provider = PROVIDER

    def __init__(
        self,
        base_url: str,
        shop_id: str,
        secret_key: str,
        *,
        receipts: ReceiptRules | None = None,
        sources: SourceFilter | None = None,
        patience: Patience | None = None,
    ) -> None:
        basic = base64.b64encode(f"{shop_id}:{secret_key}".encode()).decode()
        self._api = Transport(DIALECT, base_url, authorization=f"Basic {basic}", patience=patience)
        self._receipts = receipts
        self._sources = sources
        self._hint_limit = AskLimit(HINTS_PER_MINUTE)

    def create_checkout(self, order: CheckoutRequest) -> Checkout:
        """See Gateway. YooKassa remembers the key for 24 h, as long as we ask for a page."""
        minor = to_minor(order.amount)
        body = {
            "amount": _amount(minor, order.currency),
            "capture": True,  # the default is two stages
            "description": order.description[:MAX_DESCRIPTION],
            "confirmation": {"type": "redirect", "return_url": order.return_url},
            "metadata": Metadata.of(order, minor, order.currency).as_texts(),
        }
        if self._receipts is not None:
            body["receipt"] = self._receipts.receipt(
                order.title, minor, order.currency, email=order.receipt_email
            )
        payment = self._api.post(
            "/payments", body, call="create_payment", key=str(order.payment_id)
        )
        try:
            return Checkout(
                reference=checked_id(payment["id"]),
                url=str(payment["confirmation"]["confirmation_url"]),
                asked_minor=minor,
                asked_currency=order.currency,
                expires_at=datetime.fromisoformat(payment["created_at"]) + PAY_WITHIN,
            )
        except UNREADABLE as problem:
            raise strange("create_payment", problem) from problem

    def read_back(self, payment: PaymentRef) -> Notice:
        """See Gateway."""
        return read_payment(self._read("payments", payment.reference))

    def close(self, payment: PaymentRef) -> Notice:
        """See Gateway. A pending payment cannot be stopped; unpaid, it expires in an hour."""
        return self.read_back(payment)

    def list_since(self, moment: datetime) -> Iterator[Notice]:
        """See Gateway."""
        seen = set[str]()
        for payment in self._pages("payments", _made_since(moment - PAY_WITHIN, "succeeded")):
            seen.add(str(payment.get("id")))
            yield read_payment(payment)
        for refund in self._pages("refunds", _made_since(moment, "succeeded")):
            payment_id = str(refund.get("payment_id"))
            if payment_id not in seen:
                seen.add(payment_id)
                yield read_payment(self._read("payments", payment_id))

    def find_refund(
        self, payment: PaymentRef, *, amount_minor: int | None, key: str
    ) -> Notice | None:
        """See Gateway."""
        for made in self._refunds_of(payment):
            if (made.get("metadata") or {}).get("key") == key:
                require_amount(PROVIDER, amount_minor, minor(made["amount"]))
                return self._notice_of_refund(made, payment)
        return None

    def refund(self, payment: PaymentRef, *, amount_minor: int, key: str) -> Notice:
        """See Gateway. ProviderRejected when YooKassa or the bank cancels the refund."""
        body: dict[str, Any] = {
            "payment_id": payment.reference,
            "amount": _amount(amount_minor, payment.asked_currency),
            "metadata": {"payment_id": str(payment.payment_id), "key": key},
        }
        if self._receipts is not None:
            body["receipt"] = self._receipts.receipt(
                "Возврат", amount_minor, payment.asked_currency, email=payment.receipt_email
            )
        refund = self._api.post("/refunds", body, call="create_refund", key=key)
        return self._notice_of_refund(refund, payment)

    def parse_event(
        self, raw: bytes, headers: Mapping[str, str], *, client_ip: str | None, now: datetime
    ) -> Event | None:
        """See Gateway. Always a Hint that anybody may have sent."""
        forwarded = header(headers, "X-Forwarded-For")
        if self._sources is not None and not self._sources.admits(client_ip, forwarded):
            raise SignatureInvalid(PROVIDER, "not from a network of YooKassa")
        body = json_object(raw)
        kind, claimed = body.get("event"), body.get("object")
        if body.get("type") != "notification" or not isinstance(kind, str):
            raise ApiError("bad_request", "Not a notification of YooKassa")
        if kind not in EVENTS:
            return None
        try:
            return read_hint(kind, claimed)
        except UNREADABLE:
            raise ApiError("bad_request", "The object of the notification has no id") from None

    def confirm(self, hint: Hint) -> Notice:
        """See Gateway. Reads the object, and for a refund its payment too."""
        self._hint_limit.take(hint.reference, hint.payment_id)
        try:
            found = self._read(EVENTS[hint.kind], hint.object_id)
            if EVENTS[hint.kind] == "payments":
                return read_payment(found)
            if found.get("payment_id") != hint.reference:
                raise SignatureInvalid(PROVIDER, "a refund of another payment")
            return read_refund(found, self._read("payments", str(found["payment_id"])))
        except ProviderRejected as refusal:
            if refusal.http_status in GONE:
                raise SignatureInvalid(PROVIDER, "YooKassa knows no such object") from refusal
            raise

    def _refunds_of(self, payment: PaymentRef) -> Iterator[dict[str, Any]]:
        """Every refund of a payment, newest first. ProviderUnavailable."""
        yield from self._pages("refunds", {"payment_id": payment.reference})

    def _pages(self, kind: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        call, after = f"list_{kind}", dict[str, str]()
        while True:
            asked = urlencode({**query, "limit": "100", **after})
            page = self._api.get(f"/{kind}?{asked}", call=call)
            try:
                yield from page["items"]
            except UNREADABLE as problem:
                raise strange(call, problem) from problem
            if not page.get("next_cursor"):
                return
            if after == {"cursor": page["next_cursor"]}:
                raise strange(call, "the same page again")
            after = {"cursor": page["next_cursor"]}

    def _notice_of_refund(self, refund: Mapping[str, Any], payment: PaymentRef) -> Notice:
        if refund.get("status") == "canceled":
            raise ProviderRejected(
                PROVIDER, "create_refund", "the refund was canceled", reason=reason(refund)
            )
        return read_refund(refund, self._read("payments", payment.reference))

    def _read(self, kind: str, identifier: str) -> dict[str, Any]:
        call = f"read_{kind.removesuffix('s')}"
        found = self._api.get(f"/{kind}/{checked_id(identifier)}", call=call)
        if found.get("id") != identifier:
            raise strange(call, "the response is about another object")
        return found


def _read_refusal(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
    waiting = body.get("retry_after")  # milliseconds
    parameter = body.get("parameter")
    description = str(body.get("description") or body.get("type") or "")
    return Refusal(
        reason=str(body.get("code") or ""),
        description=f"{description} ({parameter})" if parameter else description,
        retry_after=waiting / 1000 if isinstance(waiting, int) and waiting >= 0 else None,
    )


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


DIALECT = Dialect(
    provider=PROVIDER,
    content_type="application/json",
    key_header="Idempotence-Key",  # not "Idempotency"
    encode=_encode,
    read_refusal=_read_refusal,
)


def _made_since(moment: datetime, status: str) -> dict[str, str]:
    """The filters of a list. It is asked in UTC, to the millisecond, as YooKassa writes times."""
    made = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"created_at.gte": made, "status": status}


def _amount(minor: int, currency: str) -> dict[str, str]:
    return {"value": str(from_minor(minor)), "currency": currency}
