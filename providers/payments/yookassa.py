"""YooKassa: payments by redirect, captured at once; notifications are hints, the API is the truth.

Wire: https://yookassa.ru/developers/api. Nothing that YooKassa posts is signed, so a notification
is believed only after the object has been read back with our own key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from errors import ApiError
from providers.http import Dialect, Patience, Refusal, Transport
from providers.payments import (
    Checkout,
    Event,
    Hint,
    Notice,
    Order,
    Outcome,
    PaymentRef,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
    from_minor,
    to_minor,
)
from providers.payments.networks import SourceFilter
from providers.payments.questions import QuestionLimit
from providers.payments.receipts import ReceiptRules
from providers.payments.webhooks import UNREADABLE, header, json_object, picked, uuid_or_none

PROVIDER = "yookassa"
MAX_DESCRIPTION = 128
# An unpaid payment ends after about an hour; no answer tells the moment.
PAY_WITHIN = timedelta(hours=1)

PAYMENT_OUTCOMES = {
    "pending": Outcome.PENDING,
    "waiting_for_capture": Outcome.PENDING,  # impossible with capture: true; never money yet
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
}
# Why a payment was canceled, where that is not a refusal; party and reason are in the inbox.
CANCELLATION_OUTCOMES = {
    "expired_on_confirmation": Outcome.EXPIRED,
    "expired_on_capture": Outcome.EXPIRED,
}
REFUND_OUTCOMES = {
    "pending": Outcome.PENDING,
    "succeeded": Outcome.REFUNDED,
    "canceled": Outcome.PENDING,  # nothing was returned, so nothing is to be applied
}
# Event: which object it is about. Others (payouts, deals, saved cards) are not our business.
EVENTS = {
    "payment.waiting_for_capture": "payments",
    "payment.succeeded": "payments",
    "payment.canceled": "payments",
    "refund.succeeded": "refunds",
}
GONE = (404, 410)

# 36 characters that look like a UUID, yet its version digit is none of RFC 9562.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_KEPT = (
    "id",
    "status",
    "paid",
    "amount",
    "refunded_amount",
    "created_at",
    "captured_at",
    "cancellation_details",
    "test",
    "payment_id",
)


class YooKassaGateway:
    """The shop `shop_id`. receipts: None when YooKassa registers no fiscal receipts for it.

    sources: None when notifications from anywhere are looked at.
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
        self._questions = QuestionLimit()

    def create_checkout(self, order: Order) -> Checkout:
        """See Gateway. YooKassa remembers the key for 24 h, as long as a page is asked for."""
        minor = to_minor(order.amount)
        body = {
            "amount": _amount(minor, order.currency),
            "capture": True,  # the default is two stages
            "description": order.description[:MAX_DESCRIPTION],
            "confirmation": {"type": "redirect", "return_url": order.return_url},
            "metadata": {"payment_id": str(order.payment_id)},
        }
        if self._receipts is not None:
            body["receipt"] = self._receipts.receipt(order.title, minor, order.currency)
        payment = self._api.post(
            "/payments", body, call="create_payment", key=str(order.payment_id)
        )
        try:
            return Checkout(
                reference=_checked_id(payment["id"]),
                url=str(payment["confirmation"]["confirmation_url"]),
                asked_minor=minor,
                asked_currency=order.currency,
                expires_at=datetime.fromisoformat(payment["created_at"]) + PAY_WITHIN,
            )
        except UNREADABLE as problem:
            raise _strange("create_payment", problem) from problem

    def read_back(self, payment: PaymentRef) -> Notice:
        """See Gateway."""
        return _payment_notice(self._read("payments", payment.reference))

    def close(self, payment: PaymentRef) -> Notice:
        """See Gateway. Nothing stops a pending payment; an unpaid one ends by itself in an hour."""
        return self.read_back(payment)

    def refund(self, payment: PaymentRef, *, amount_minor: int, key: str) -> Notice:
        """See Gateway. ProviderRejected when YooKassa or the bank cancels the refund."""
        body: dict[str, Any] = {
            "payment_id": payment.reference,
            "amount": _amount(amount_minor, payment.asked_currency),
            "metadata": {"payment_id": str(payment.payment_id)},
        }
        if self._receipts is not None:
            body["receipt"] = self._receipts.receipt(
                "Возврат", amount_minor, payment.asked_currency
            )
        refund = self._api.post("/refunds", body, call="create_refund", key=key)
        if refund.get("status") == "canceled":
            raise ProviderRejected(
                PROVIDER, "create_refund", "the refund was canceled", reason=_reason(refund)
            )
        return _refund_notice(refund, self._read("payments", payment.reference))

    def parse_event(
        self, raw: bytes, headers: Mapping[str, str], *, client_ip: str | None, now: datetime
    ) -> Event | None:
        """See Gateway. Always a Hint that anybody may have sent."""
        forwarded = header(headers, "X-Forwarded-For")
        if self._sources is not None and not self._sources.admits(client_ip, forwarded):
            raise SignatureInvalid(PROVIDER, "not from a network of YooKassa")
        body = json_object(raw)
        kind, told = body.get("event"), body.get("object")
        if body.get("type") != "notification" or not isinstance(kind, str):
            raise ApiError("bad_request", "Not a notification of YooKassa")
        if kind not in EVENTS:
            return None
        try:
            return _hint(kind, told)
        except UNREADABLE:
            raise ApiError("bad_request", "The object of the notification has no id") from None

    def confirm(self, hint: Hint) -> Notice:
        """See Gateway. Reads the object, and for a refund its payment too."""
        self._questions.take(hint.reference, hint.payment_id)
        try:
            found = self._read(EVENTS[hint.kind], hint.object_id)
            if EVENTS[hint.kind] == "payments":
                return _payment_notice(found)
            if found.get("payment_id") != hint.reference:
                raise SignatureInvalid(PROVIDER, "a refund of another payment")
            return _refund_notice(found, self._read("payments", str(found["payment_id"])))
        except ProviderRejected as refusal:
            if refusal.http_status in GONE:
                raise SignatureInvalid(PROVIDER, "YooKassa knows no such object") from refusal
            raise

    def _read(self, kind: str, identifier: str) -> dict[str, Any]:
        if not _ID.fullmatch(identifier):
            raise ValueError("not an id of YooKassa")
        call = f"read_{kind.removesuffix('s')}"
        found = self._api.get(f"/{kind}/{identifier}", call=call)
        if found.get("id") != identifier:
            raise _strange(call, "an answer about another object")
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


def _amount(minor: int, currency: str) -> dict[str, str]:
    return {"value": str(from_minor(minor)), "currency": currency}


def _hint(kind: str, told: Any) -> Hint:
    of_refund = EVENTS[kind] == "refunds"
    metadata = told.get("metadata") if isinstance(told, dict) else None
    return Hint(
        provider=PROVIDER,
        kind=kind,
        object_id=_checked_id(told["id"]),
        signed=False,
        payment_id=uuid_or_none(metadata.get("payment_id")) if isinstance(metadata, dict) else None,
        reference=_checked_id(told["payment_id" if of_refund else "id"]),
    )


def _payment_notice(payment: Mapping[str, Any]) -> Notice:
    try:
        status = str(payment["status"])
        outcome = PAYMENT_OUTCOMES[status]
        kind = f"payment.{status}"
        event_id = f"{kind}:{payment['id']}"
        if outcome is Outcome.CANCELED:
            outcome = CANCELLATION_OUTCOMES.get(_reason(payment), outcome)
        refunded = _refunded_minor(payment)
        if refunded:
            outcome, kind = Outcome.REFUNDED, "payment.refunded"
            event_id = f"{kind}:{payment['id']}:{refunded}"
        return _notice(payment, payment, event_id=event_id, kind=kind, outcome=outcome)
    except UNREADABLE as problem:
        raise _strange("read_payment", problem) from problem


def _refund_notice(refund: Mapping[str, Any], payment: Mapping[str, Any]) -> Notice:
    try:
        status = str(refund["status"])
        return _notice(
            payment,
            refund,
            event_id=f"refund.{status}:{_checked_id(refund['id'])}",
            kind=f"refund.{status}",
            outcome=REFUND_OUTCOMES[status],
        )
    except UNREADABLE as problem:
        raise _strange("read_refund", problem) from problem


def _notice(
    payment: Mapping[str, Any],
    told: Mapping[str, Any],
    *,
    event_id: str,
    kind: str,
    outcome: Outcome,
) -> Notice:
    """told: the payment itself or a refund of it; a total of refunds is never below that one."""
    is_refund = told is not payment
    refunded = _refunded_minor(payment)
    if is_refund and outcome is Outcome.REFUNDED:
        refunded = max(refunded or 0, _minor(told["amount"]))
    moment = told.get("captured_at") or told["created_at"]
    raw = picked(payment, _KEPT)
    if is_refund:
        raw["refund"] = picked(told, _KEPT)
    return Notice(
        provider=PROVIDER,
        event_id=event_id,
        kind=kind,
        outcome=outcome,
        payment_id=uuid_or_none((payment.get("metadata") or {}).get("payment_id")),
        reference=_checked_id(payment["id"]),
        amount_minor=_minor(payment["amount"]),
        currency=str(payment["amount"]["currency"]),
        refunded_minor=refunded,
        refund_reference=told["id"] if is_refund else None,
        livemode=not payment["test"],
        occurred_at=datetime.fromisoformat(moment),
        raw=raw,
    )


def _refunded_minor(payment: Mapping[str, Any]) -> int | None:
    refunded = payment.get("refunded_amount")
    return None if refunded is None else _minor(refunded)


def _minor(amount: Mapping[str, Any]) -> int:
    value = amount["value"]
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise ValueError("not an amount")
    return to_minor(Decimal(value))


def _reason(told: Mapping[str, Any]) -> str:
    return str((told.get("cancellation_details") or {}).get("reason", ""))


def _checked_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("not an id of YooKassa")
    return value


def _strange(call: str, problem: object) -> ProviderUnavailable:
    """An answer that cannot be read promises nothing, so it must not end a payment."""
    return ProviderUnavailable(PROVIDER, call, f"answer of an unknown shape: {problem!r}")
