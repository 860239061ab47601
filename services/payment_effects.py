"""What becomes of a payment by what its provider reports: the table of outcomes, and their effects.

Each effect moves tokens, and returns the new values of the payment's columns. Whether an event may
take effect at all is decided before, in services/settlement.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import UpdateBase, update
from sqlalchemy.orm import Session

from db import after_commit, write
from db.models import Transaction
from db.rows import LockedPayment
from db.types import now
from services import (
    clawback,
    declines,
    events,
    funding,
    locked_payments,
    payments,
    referrals,
)
from services.locked_payments import PaymentColumns
from services.payments import UNPAID
from telemetry import metrics

if TYPE_CHECKING:
    from providers.payments import Notice

REFUNDABLE = ("succeeded", "partly_refunded")
Effect = Callable[[Session, LockedPayment, "Notice"], PaymentColumns]


def change(session: Session, payment: LockedPayment, columns: PaymentColumns) -> None:
    """Store what an effect returned; a new status is counted once it is committed."""
    locked_payments.change(session, payment.id, **columns)
    if metrics.has_started() and "status" in columns:
        after_commit(session, partial(metrics.payments.add, payment.provider, columns["status"]))


def asked(payment: LockedPayment, notice: Notice) -> tuple[int, str]:
    """What the payment page asks, in hundredths of a ruble or in Stars.

    A restore may leave a row as it was before the answer of Telegram was stored with it: then the
    metadata of that page tells the Stars, if it is for the same rubles and tokens.
    """
    kept = notice.metadata
    if kept is not None and payment.reference is None and payment.repeats_id is None:
        same = kept.payment_id == payment.id and kept.tokens == payment.tokens
        stars = kept.asked_currency != payments.CURRENCY
        if same and stars and kept.amount_rub == payment.amount_rub:
            return kept.asked_minor, kept.asked_currency
    return payment.asked_minor, payment.asked_currency


def learned(payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """What this event is the first to report: ids of the payment at the provider.

    A webhook may arrive before the answer to our create call, which then finds these set.
    """
    new: PaymentColumns = {}
    if notice.charge_reference and not payment.charge_reference:
        new["charge_reference"] = notice.charge_reference
    if payment.repeats_id is None and notice.reference and not payment.reference:
        new["reference"] = notice.reference
    asked_minor, asked_currency = asked(payment, notice)
    if asked_currency != payment.asked_currency:
        new["asked_minor"], new["asked_currency"] = asked_minor, asked_currency
    return new


def _reference(payment: LockedPayment, notice: Notice) -> str | None:
    """The payment's reference in the customer's history: its page, otherwise its charge."""
    new = learned(payment, notice)
    page: str | None = payment.reference or new.get("reference")
    return page or payment.charge_reference or new.get("charge_reference")


def _credit(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """Money has arrived: credit tokens, start waiting jobs, reward the inviter."""
    reference = _reference(payment, notice)
    if payment.status == "pending":
        _end_gateway_payment(session, payment.id, "success", reference)
    else:  # its ruble row has ended as failed
        payments.record_gateway_payment(session, payment, status="success", reference=reference)
    funding.credit(
        session,
        payment.user_id,
        payment.tokens,
        type="purchase",
        news=events.payment_succeeded(payment),
        payment_id=payment.id,
        provider=payment.provider,
        amount_rub=payment.amount_rub,
        currency=payments.CURRENCY,
        plan=payment.plan,
        reference=reference,
        meta={"paymentId": str(payment.id)},
    )
    if payment.owes_referral_reward:
        referrals.reward(session, payment)
    paid_at = notice.occurred_at or now()
    _count_credit(session, payment, paid_at)
    return {
        "status": "succeeded",
        "paid_at": paid_at,
        "next_check_at": None,
        "last_error": None,
        "payer_telegram_id": notice.payer_id or payment.payer_telegram_id,
    }


def _count_credit(session: Session, payment: LockedPayment, paid_at: datetime) -> None:
    def count() -> None:
        metrics.revenue.add(payment.provider, by=float(payment.amount_rub * 100))
        seconds = max((now() - paid_at).total_seconds(), 0)
        metrics.payment_credit_seconds.observe(seconds, payment.provider)

    if metrics.has_started():
        after_commit(session, count)


def _closing(status: str) -> Effect:
    """Nobody has paid, and nobody is expected to any more."""

    def apply(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
        reference = _reference(payment, notice)
        declined = notice.decline.value if notice.decline else payment.decline_code
        return close(session, payment, status, reference, declined)

    return apply


def close(
    session: Session,
    payment: LockedPayment,
    status: str,
    reference: str | None,
    declined: str | None,
) -> PaymentColumns:
    """Nobody has paid: the ruble row ends, and the customer is told why if a card was refused."""
    _end_gateway_payment(session, payment.id, "failed", reference)
    if refusal := declines.of(status, declined):
        news = events.payment_failed(payment, refusal, status)
        events.tell(session, payment.user_id, news)
    return {"status": status, "next_check_at": None}


def _credit_then(apply: Effect) -> Effect:
    """For a fact that was reported before the success it presupposes."""

    def apply_both(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
        credited = _credit(session, payment, notice)
        change(session, payment, credited)
        return apply(session, locked_payments.lock(session, payment.id), notice)

    return apply_both


@write
def _end_gateway_payment(payment_id: UUID, status: str, reference: str | None) -> UpdateBase:
    """The ruble row of a pending payment ends."""
    return (
        update(Transaction)
        .where(
            Transaction.payment_id == payment_id,
            Transaction.type == "gateway_payment",
            Transaction.status == "pending",
        )
        .values(status=status, reference=reference)
    )


# What an outcome does in each status. A pair that is not here changes nothing: repeats, and
# reports older than what is known.
EFFECTS: dict[tuple[str, str], Effect] = {
    ("pending", "canceled"): _closing("canceled"),
    ("pending", "expired"): _closing("expired"),
    **{(unpaid, "succeeded"): _credit for unpaid in UNPAID},
    **{(unpaid, "refunded"): _credit_then(clawback.refund) for unpaid in UNPAID},
    **{(unpaid, "disputed"): _credit_then(clawback.dispute) for unpaid in UNPAID},
    **{(unpaid, "dispute_lost"): _credit_then(clawback.dispute_lost) for unpaid in UNPAID},
    **{(paid, "refunded"): clawback.refund for paid in REFUNDABLE},
    **{(paid, "disputed"): clawback.dispute for paid in REFUNDABLE},
    **{(paid, "dispute_lost"): clawback.dispute_lost for paid in REFUNDABLE},
    ("disputed", "dispute_won"): clawback.dispute_won,
    ("disputed", "dispute_lost"): clawback.dispute_lost,
    ("partly_refunded", "refund_failed"): clawback.refund_failed,
    ("refunded", "refund_failed"): clawback.refund_failed,
    # Lost, appealed, won.
    ("refunded", "dispute_won"): clawback.dispute_won,
}
