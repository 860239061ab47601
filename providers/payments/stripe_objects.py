"""What Stripe's objects and events say about a payment: tables, and one reader per object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from providers.payments import Decline, Notice, Outcome
from providers.payments.metadata import read_texts
from providers.payments.webhooks import picked, uuid_or_none

PROVIDER = "stripe"

# (status, payment_status) of a session; any other pair is undecided.
SESSION_OUTCOMES = {
    ("complete", "paid"): Outcome.SUCCEEDED,
    ("expired", "unpaid"): Outcome.EXPIRED,
}
# A session stays complete and unpaid when a slow method fails; only its intent shows it.
FAILED_INTENTS = ("requires_payment_method", "canceled")
SESSION_EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
# A card was declined on a page that stays open: the customer may try another one.
DECLINED_EVENT = "payment_intent.payment_failed"
# By decline_code, or code where a bank was not asked. What Stripe advises not to tell the customer
# (lost_card, stolen_card, fraudulent...) and everything else is a refusal without a reason.
DECLINES = {
    "authentication_not_handled": Decline.NOT_CONFIRMED,
    "authentication_required": Decline.NOT_CONFIRMED,
    "card_not_supported": Decline.METHOD_NOT_ACCEPTED,
    "card_velocity_exceeded": Decline.LIMIT_EXCEEDED,
    "currency_not_supported": Decline.METHOD_NOT_ACCEPTED,
    "expired_card": Decline.CARD_EXPIRED,
    "incorrect_cvc": Decline.CARD_DATA_WRONG,
    "incorrect_number": Decline.CARD_DATA_WRONG,
    "incorrect_zip": Decline.CARD_DATA_WRONG,
    "insufficient_funds": Decline.INSUFFICIENT_FUNDS,
    "invalid_cvc": Decline.CARD_DATA_WRONG,
    "invalid_expiry_month": Decline.CARD_DATA_WRONG,
    "invalid_expiry_year": Decline.CARD_DATA_WRONG,
    "invalid_number": Decline.CARD_DATA_WRONG,
    "issuer_not_available": Decline.BANK_UNAVAILABLE,
    "payment_intent_authentication_failure": Decline.NOT_CONFIRMED,
    "processing_error": Decline.BANK_UNAVAILABLE,
    "reenter_transaction": Decline.BANK_UNAVAILABLE,
    "try_again_later": Decline.BANK_UNAVAILABLE,
    "withdrawal_count_limit_exceeded": Decline.LIMIT_EXCEEDED,
}
# Event: the API collection from which its object is read back.
HINTED = {
    "charge.refunded": "charges",
    "charge.refund.updated": "refunds",
    "refund.updated": "refunds",
    "refund.failed": "refunds",
    "charge.dispute.created": "disputes",
    "charge.dispute.updated": "disputes",
    "charge.dispute.funds_withdrawn": "disputes",
    "charge.dispute.funds_reinstated": "disputes",
    "charge.dispute.closed": "disputes",
}
# A pending refund is already subtracted from the charge; requires_action is not.
REFUND_OUTCOMES = {
    "succeeded": Outcome.REFUNDED,
    "pending": Outcome.REFUNDED,
    "failed": Outcome.REFUND_FAILED,
    "canceled": Outcome.REFUND_FAILED,
}
# An inquiry (warning_*) moves no money, a prevented dispute never happened.
DISPUTE_OUTCOMES = {
    "needs_response": Outcome.DISPUTED,
    "under_review": Outcome.DISPUTED,
    "appeal_needs_response": Outcome.DISPUTED,
    "appeal_under_review": Outcome.DISPUTED,
    "won": Outcome.DISPUTE_WON,
    "lost": Outcome.DISPUTE_LOST,
}

ID = re.compile(r"[A-Za-z0-9_]{3,255}")
_KEPT_OF_SESSION = (
    "id",
    "status",
    "payment_status",
    "amount_total",
    "currency",
    "client_reference_id",
    "created",
    "expires_at",
    "livemode",
)
_KEPT_OF_MONEY = (
    "id",
    "object",
    "status",
    "amount",
    "amount_refunded",
    "currency",
    "reason",
    "created",
    "livemode",
)

# What is fetched together with an object of a collection, so that one call is enough.
EXPANDED = {
    "checkout/sessions": "payment_intent.latest_charge",
    "charges": "",
    "refunds": "charge",
    "disputes": "charge",
}


def read_session_event(session: Mapping[str, Any], event: Mapping[str, Any]) -> Notice:
    """The Notice of a signed event about a session. KeyError, TypeError, ValueError for nonsense.

    Completed does not mean paid: a slow method leaves the payment pending until async_payment_*.
    """
    failed = event["type"] == "checkout.session.async_payment_failed"
    return Notice(
        event_id=str(event["id"]),
        kind=str(event["type"]),
        outcome=Outcome.CANCELED if failed else _session_outcome(session),
        occurred_at=moment(event["created"]),
        **_of_session(session),
    )


def read_declined_intent(intent: Mapping[str, Any], event: Mapping[str, Any]) -> Notice | None:
    """The Notice of a signed event about a declined card; None for an intent that is not of a page
    of ours. KeyError, TypeError, ValueError for nonsense.
    """
    payment_id = _payment_id(intent)
    if payment_id is None:
        return None
    return Notice(
        provider=PROVIDER,
        event_id=str(event["id"]),
        kind=str(event["type"]),
        outcome=Outcome.PENDING,
        payment_id=payment_id,
        amount_minor=whole(intent["amount"]),
        currency=str(intent["currency"]).upper(),
        livemode=bool(intent["livemode"]),
        decline=_decline(intent),
        occurred_at=moment(event["created"]),
        raw=picked(intent, _KEPT_OF_MONEY),
    )


def read_session(session: Mapping[str, Any]) -> Notice:
    """The state of a session whose payment_intent.latest_charge is expanded."""
    intent = session["payment_intent"] or {}
    charge = intent.get("latest_charge") or {}
    outcome = _session_outcome(session)
    if session["status"] == "complete" and intent.get("status") in FAILED_INTENTS:
        outcome = Outcome.CANCELED
    known = _of_session(session)
    if outcome is Outcome.SUCCEEDED and "created" in charge:
        known["occurred_at"] = moment(charge["created"])
    if outcome is Outcome.SUCCEEDED and charge.get("amount_refunded"):
        # The session's reference is known here; the charge does not have it.
        return replace(read_charge(charge), **known)
    decline = None if outcome is Outcome.SUCCEEDED else _decline(intent)
    # Each decline is news about the same page; the charge is that of the attempt.
    attempt = f":{charge.get('id') or decline}" if decline else ""
    return Notice(
        event_id=f"session.{outcome}:{session['id']}{attempt}",
        kind=f"session.{session['status']}",
        outcome=outcome,
        decline=decline,
        **known,
    )


def read_charge(charge: Mapping[str, Any]) -> Notice:
    """How much of a charge has been returned so far."""
    refunded = whole(charge["amount_refunded"])
    return Notice(
        event_id=f"charge.refunded:{charge['id']}:{refunded}",
        kind="charge.refunded",
        outcome=Outcome.REFUNDED if refunded else Outcome.PENDING,
        refunded_minor=refunded,
        **_of_charge(charge, charge),
    )


def read_refund(refund: Mapping[str, Any]) -> Notice:
    """A refund whose charge is expanded; a failed one means that the money stayed with us."""
    status, charge = str(refund["status"]), refund["charge"]
    if charge is None:  # of a customer balance in another product of the account
        return Notice(
            PROVIDER, f"refund.{status}:{refund['id']}", f"refund.{status}", Outcome.PENDING
        )
    outcome = REFUND_OUTCOMES.get(status, Outcome.PENDING)
    refunded = whole(charge["amount_refunded"])
    reported_by_charge = outcome is Outcome.REFUNDED
    return Notice(
        # The same fact, whether the charge or its refund reports it.
        event_id=(
            f"charge.refunded:{charge['id']}:{refunded}"
            if reported_by_charge
            else f"refund.{status}:{refund['id']}"
        ),
        kind=f"refund.{status}",
        outcome=outcome,
        refunded_minor=refunded,
        refund_reference=str(refund["id"]),
        **_of_charge(charge, refund),
    )


def read_dispute(dispute: Mapping[str, Any]) -> Notice:
    """A dispute as it is now, its charge expanded; its events may come in any order."""
    outcome = DISPUTE_OUTCOMES.get(str(dispute["status"]), Outcome.PENDING)
    return Notice(
        # Named by its status, not its outcome: a dispute that had ended may be appealed.
        event_id=f"dispute.{dispute['status']}:{dispute['id']}",
        kind=f"dispute.{dispute['status']}",
        outcome=outcome,
        refund_reference=str(dispute["id"]),
        **_of_charge(dispute["charge"], dispute),
    )


READERS: dict[str, Callable[[Mapping[str, Any]], Notice]] = {
    "checkout/sessions": read_session,
    "charges": read_charge,
    "refunds": read_refund,
    "disputes": read_dispute,
}


def whole(value: Any) -> int:
    """An amount in minor units. TypeError for anything but an integer: JSON has other numbers."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value


def moment(value: Any) -> datetime:
    """Unix time, seconds. ValueError or TypeError for nonsense."""
    if not 0 <= whole(value) < 2**33:
        raise ValueError("not a time")
    return datetime.fromtimestamp(value, UTC)


def _session_outcome(session: Mapping[str, Any]) -> Outcome:
    state = (session["status"], session["payment_status"])
    return SESSION_OUTCOMES.get(state, Outcome.PENDING)


def _of_session(session: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "payment_id": uuid_or_none(session.get("client_reference_id")) or _payment_id(session),
        "reference": str(session["id"]),
        "charge_reference": _id_of(session.get("payment_intent")),
        "amount_minor": whole(session["amount_total"]),
        "currency": str(session["currency"]).upper(),
        "livemode": bool(session["livemode"]),
        "raw": picked(session, _KEPT_OF_SESSION),
        # Not by client_reference_id, which a Payment Link takes from its visitor's address bar.
        "metadata": read_texts(session.get("metadata")),
    }


def _of_charge(charge: Mapping[str, Any], subject: Mapping[str, Any]) -> dict[str, Any]:
    """subject: the object the Notice is about, the charge itself or one that belongs to it."""
    raw = picked(subject, _KEPT_OF_MONEY)
    if subject is not charge:
        raw["charge"] = picked(charge, _KEPT_OF_MONEY)
    return {
        "provider": PROVIDER,
        "payment_id": _payment_id(charge),
        "charge_reference": _id_of(charge.get("payment_intent")),
        "amount_minor": whole(charge["amount"]),
        "currency": str(charge["currency"]).upper(),
        "livemode": bool(charge["livemode"]),
        "occurred_at": moment(subject["created"]),
        "raw": raw,
        "metadata": read_texts(charge.get("metadata")),
    }


def _decline(intent: Mapping[str, Any]) -> Decline | None:
    """Why the last card was declined, if it was; the error stays until another one is tried."""
    error = intent.get("last_payment_error")
    if not error:
        return None
    word = error.get("decline_code") or error.get("code")
    return DECLINES.get(str(word), Decline.REFUSED_BY_BANK)


def _payment_id(item: Mapping[str, Any]) -> UUID | None:
    return uuid_or_none((item.get("metadata") or {}).get("payment_id"))


def _id_of(value: Any) -> str | None:
    """The id of an object that may be expanded."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None
