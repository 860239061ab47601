"""What YooKassa's objects say about a payment: tables, and one reader for each kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.payments import Decline, Hint, Notice, Outcome, ProviderUnavailable, to_minor
from providers.payments.metadata import read_texts
from providers.payments.webhooks import UNREADABLE, picked, uuid_or_none

PROVIDER = "yookassa"

PAYMENT_OUTCOMES = {
    "pending": Outcome.PENDING,
    "waiting_for_capture": Outcome.PENDING,  # impossible with capture: true; never money yet
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
}
# Cancellation reasons that are not a refusal; party and reason are in the inbox.
CANCELLATION_OUTCOMES = {
    "expired_on_confirmation": Outcome.EXPIRED,
    "expired_on_capture": Outcome.EXPIRED,
}
# Others, and those for loans, are a refusal without a reason.
DECLINES = {
    "3d_secure_failed": Decline.NOT_CONFIRMED,
    "canceled_by_merchant": Decline.CANCELED_BY_SHOP,
    "card_expired": Decline.CARD_EXPIRED,
    "country_forbidden": Decline.METHOD_NOT_ACCEPTED,
    "fraud_suspected": Decline.SUSPICIOUS,
    "identification_required": Decline.LIMIT_EXCEEDED,
    "insufficient_funds": Decline.INSUFFICIENT_FUNDS,
    "internal_timeout": Decline.BANK_UNAVAILABLE,
    "invalid_card_number": Decline.CARD_DATA_WRONG,
    "invalid_csc": Decline.CARD_DATA_WRONG,
    "issuer_unavailable": Decline.BANK_UNAVAILABLE,
    "payment_method_limit_exceeded": Decline.LIMIT_EXCEEDED,
    "payment_method_restricted": Decline.METHOD_NOT_ACCEPTED,
    "unsupported_mobile_operator": Decline.METHOD_NOT_ACCEPTED,
}
REFUND_OUTCOMES = {
    "pending": Outcome.PENDING,
    "succeeded": Outcome.REFUNDED,
    "canceled": Outcome.PENDING,  # nothing was returned, so there is nothing to apply
}
# Event: which object it is about. Others (payouts, deals, saved cards) are not our business.
EVENTS = {
    "payment.waiting_for_capture": "payments",
    "payment.succeeded": "payments",
    "payment.canceled": "payments",
    "refund.succeeded": "refunds",
}

# 36 characters that look like a UUID, but with a version digit that is not in RFC 9562.
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


def read_hint(kind: str, claimed: Any) -> Hint:
    """What a notification claims about its object; raises UNREADABLE without the object's id."""
    of_refund = EVENTS[kind] == "refunds"
    metadata = claimed.get("metadata") if isinstance(claimed, dict) else None
    return Hint(
        provider=PROVIDER,
        kind=kind,
        object_id=checked_id(claimed["id"]),
        signed=False,
        payment_id=uuid_or_none(metadata.get("payment_id")) if isinstance(metadata, dict) else None,
        reference=checked_id(claimed["payment_id" if of_refund else "id"]),
    )


def read_payment(payment: Mapping[str, Any]) -> Notice:
    """The payment as it is now, with everything returned of it so far. ProviderUnavailable."""
    try:
        status = str(payment["status"])
        outcome = PAYMENT_OUTCOMES[status]
        kind = f"payment.{status}"
        event_id = f"{kind}:{payment['id']}"
        if outcome is Outcome.CANCELED:
            outcome = CANCELLATION_OUTCOMES.get(reason(payment), outcome)
        refunded = _refunded_minor(payment)
        if refunded:
            outcome, kind = Outcome.REFUNDED, "payment.refunded"
            event_id = f"{kind}:{payment['id']}:{refunded}"
        return _notice(payment, payment, event_id=event_id, kind=kind, outcome=outcome)
    except UNREADABLE as problem:
        raise strange("read_payment", problem) from problem


def read_refund(refund: Mapping[str, Any], payment: Mapping[str, Any]) -> Notice:
    """A refund of `payment`, which holds the total. ProviderUnavailable."""
    try:
        status = str(refund["status"])
        return _notice(
            payment,
            refund,
            event_id=f"refund.{status}:{checked_id(refund['id'])}",
            kind=f"refund.{status}",
            outcome=REFUND_OUTCOMES[status],
        )
    except UNREADABLE as problem:
        raise strange("read_refund", problem) from problem


def reason(item: Mapping[str, Any]) -> str:
    """Why a payment or refund was canceled, in YooKassa's word; empty when it was not."""
    return str((item.get("cancellation_details") or {}).get("reason", ""))


def checked_id(value: Any) -> str:
    """`value`, to be used in API paths; ValueError if it is not a YooKassa id."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("not an id of YooKassa")
    return value


def strange(call: str, problem: object) -> ProviderUnavailable:
    """An unreadable answer proves nothing, so it must not end a payment."""
    return ProviderUnavailable(PROVIDER, call, f"unexpected response: {problem!r}")


def _notice(
    payment: Mapping[str, Any],
    subject: Mapping[str, Any],
    *,
    event_id: str,
    kind: str,
    outcome: Outcome,
) -> Notice:
    """subject: the payment, or a refund of it; the refund total is never below that refund."""
    is_refund = subject is not payment
    refunded = _refunded_minor(payment)
    if is_refund and outcome is Outcome.REFUNDED:
        refunded = max(refunded or 0, minor(subject["amount"]))
    moment = subject.get("captured_at") or subject["created_at"]
    raw = picked(payment, _KEPT)
    if is_refund:
        raw["refund"] = picked(subject, _KEPT)
    return Notice(
        provider=PROVIDER,
        event_id=event_id,
        kind=kind,
        outcome=outcome,
        payment_id=uuid_or_none((payment.get("metadata") or {}).get("payment_id")),
        reference=checked_id(payment["id"]),
        amount_minor=minor(payment["amount"]),
        currency=str(payment["amount"]["currency"]),
        refunded_minor=refunded,
        refund_reference=subject["id"] if is_refund else None,
        decline=(
            DECLINES.get(reason(payment), Decline.REFUSED_BY_BANK)
            if outcome is Outcome.CANCELED
            else None
        ),
        livemode=not payment["test"],
        occurred_at=datetime.fromisoformat(moment),
        raw=raw,
        metadata=read_texts(payment.get("metadata")),
    )


def _refunded_minor(payment: Mapping[str, Any]) -> int | None:
    refunded = payment.get("refunded_amount")
    return None if refunded is None else minor(refunded)


def minor(amount: Mapping[str, Any]) -> int:
    """Kopecks of YooKassa's `{"value": "199.00"}`. UNREADABLE for anything else."""
    value = amount["value"]
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise ValueError("not an amount")
    return to_minor(Decimal(value))
