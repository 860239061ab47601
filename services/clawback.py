"""Tokens taken back when a provider returns rubles, and given again when a dispute is won."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import Record
from db.models import Transaction
from services import funding, ledger, payments, referrals

if TYPE_CHECKING:
    from providers.payments import Notice


def refund(session: Session, payment: Record, notice: Notice) -> dict[str, Any]:
    """Take back the part of the tokens that belongs to the rubles returned so far in total."""
    reference = f"refund:{notice.refund_reference or notice.event_id}"
    changes = _taken_back(session, payment, _share(payment, notice), reference)
    if changes.get("refunded_rub", payment.refunded_rub) < payment.amount_rub:
        return {**changes, "status": "partly_refunded"}
    referrals.take_back(session, payment)
    return {**changes, "status": "refunded"}


def dispute(session: Session, payment: Record, notice: Notice) -> dict[str, Any]:
    """The bank took the money back for now: so are the tokens, until the dispute is won."""
    reference = _dispute_reference(payment, notice)
    return {**_taken_back(session, payment, Decimal(1), reference), "status": "disputed"}


def dispute_won(session: Session, payment: Record, notice: Notice) -> dict[str, Any]:
    """The money came back; so do the tokens that the dispute took."""
    taken = session.scalars(
        select(Transaction)
        .where(
            Transaction.payment_id == payment.id,
            Transaction.type == "refund",
            Transaction.reference.like("dispute:%"),
        )
        .order_by(Transaction.number.desc())
        .limit(1)
    ).one()
    returned = -(taken.amount_rub or Decimal(0))
    columns = _refund_columns(payment, returned, f"won:{taken.reference}", Decimal(0))
    if taken.tokens_delta:
        funding.credit(session, payment.user_id, -taken.tokens_delta, **columns)
    else:
        ledger.record(session, payment.user_id, **columns)
    left = payment.refunded_rub - returned
    return {
        "refunded_rub": left,
        "refunded_tokens": payment.refunded_tokens + taken.tokens_delta,
        "shortfall_tokens": payment.shortfall_tokens - Decimal(taken.meta["shortfallTokens"]),
        "status": "partly_refunded" if left else "succeeded",
    }


def dispute_lost(session: Session, payment: Record, notice: Notice) -> dict[str, Any]:
    """The money is gone for good; so are the tokens, unless the dispute itself took them."""
    reference = _dispute_reference(payment, notice)
    changes = _taken_back(session, payment, Decimal(1), reference)
    referrals.take_back(session, payment)
    return {**changes, "status": "refunded"}


def _dispute_reference(payment: Record, notice: Notice) -> str:
    return f"dispute:{notice.refund_reference or payment.id}"


def _share(payment: Record, notice: Notice) -> Decimal:
    if notice.refunded_minor is None:
        return Decimal(1)
    return min(Decimal(1), Decimal(notice.refunded_minor) / Decimal(payment.asked_minor))


def _taken_back(
    session: Session, payment: Record, share: Decimal, reference: str
) -> dict[str, Any]:
    """Bring the rubles and tokens taken back up to `share` of the payment; its new totals.

    The balance never goes below zero: what it lacks is the shortfall, kept for the operator.
    """
    rub = ledger.rounded(payment.amount_rub * share) - payment.refunded_rub
    due = (
        ledger.rounded(payment.tokens * share) - payment.refunded_tokens - payment.shortfall_tokens
    )
    if rub <= 0:
        return {}
    balance = ledger.lock(session, payment.user_id).balance_tokens
    taken = min(max(due, Decimal(0)), balance)
    columns = _refund_columns(payment, -rub, reference, due - taken)
    if taken:
        ledger.post(session, payment.user_id, -taken, **columns)
    else:
        ledger.record(session, payment.user_id, **columns)
    return {
        "refunded_rub": payment.refunded_rub + rub,
        "refunded_tokens": payment.refunded_tokens + taken,
        "shortfall_tokens": payment.shortfall_tokens + due - taken,
    }


def _refund_columns(
    payment: Record, amount_rub: Decimal, reference: str, shortfall: Decimal
) -> dict[str, Any]:
    return {
        "type": "refund",
        "payment_id": payment.id,
        "provider": payment.provider,
        "amount_rub": amount_rub,
        "currency": payments.CURRENCY,
        "plan": payment.plan,
        "reference": reference,
        "meta": {"paymentId": str(payment.id), "shortfallTokens": str(shortfall)},
    }
