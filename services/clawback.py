"""Tokens taken back when a provider returns rubles, and given again when a dispute is won."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Payment, Transaction
from services import funding, ledger, payments, referrals

if TYPE_CHECKING:
    from providers.payments import Notice


def refund(session: Session, payment: Payment, notice: Notice) -> None:
    """Take back the part of the tokens that belongs to the rubles returned so far in total."""
    share = _share(payment, notice)
    _take_back(session, payment, share, f"refund:{notice.refund_reference or notice.event_id}")
    payment.status = "refunded" if payment.refunded_rub == payment.amount_rub else "partly_refunded"
    if payment.status == "refunded":
        referrals.take_back(session, payment)


def dispute(session: Session, payment: Payment, notice: Notice) -> None:
    """The bank took the money back for now: so are the tokens, until the dispute is won."""
    _take_back(session, payment, Decimal(1), _dispute_reference(payment, notice))
    payment.status = "disputed"


def dispute_won(session: Session, payment: Payment, notice: Notice) -> None:
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
    shortfall = Decimal(taken.meta["shortfallTokens"])
    returned = -(taken.amount_rub or Decimal(0))
    payment.refunded_rub -= returned
    payment.refunded_tokens += taken.tokens_delta
    payment.shortfall_tokens -= shortfall
    payment.status = "partly_refunded" if payment.refunded_rub else "succeeded"
    columns = _refund_columns(payment, returned, f"won:{taken.reference}", Decimal(0))
    if taken.tokens_delta:
        funding.credit(session, payment.user_id, -taken.tokens_delta, **columns)
    else:
        ledger.record(session, payment.user_id, **columns)


def dispute_lost(session: Session, payment: Payment, notice: Notice) -> None:
    """The money is gone for good; so are the tokens, unless the dispute itself took them."""
    _take_back(session, payment, Decimal(1), _dispute_reference(payment, notice))
    payment.status = "refunded"
    referrals.take_back(session, payment)


def _dispute_reference(payment: Payment, notice: Notice) -> str:
    return f"dispute:{notice.refund_reference or payment.id}"


def _share(payment: Payment, notice: Notice) -> Decimal:
    if notice.refunded_minor is None:
        return Decimal(1)
    return min(Decimal(1), Decimal(notice.refunded_minor) / payment.asked_minor)


def _take_back(session: Session, payment: Payment, share: Decimal, reference: str) -> None:
    """Bring the rubles and tokens taken back up to `share` of the payment.

    The balance never goes below zero: what it lacks is the shortfall, kept for the operator.
    """
    rub = ledger.rounded(payment.amount_rub * share) - payment.refunded_rub
    due = (
        ledger.rounded(payment.tokens * share) - payment.refunded_tokens - payment.shortfall_tokens
    )
    if rub <= 0:
        return
    balance = ledger.lock(session, payment.user_id).balance_tokens
    taken = min(max(due, Decimal(0)), balance)
    payment.refunded_rub += rub
    payment.refunded_tokens += taken
    payment.shortfall_tokens += due - taken
    columns = _refund_columns(payment, -rub, reference, due - taken)
    if taken:
        ledger.post(session, payment.user_id, -taken, **columns)
    else:
        ledger.record(session, payment.user_id, **columns)


def _refund_columns(
    payment: Payment, amount_rub: Decimal, reference: str, shortfall: Decimal
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
