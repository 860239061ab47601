"""What providers report about payments, applied exactly once and in any order.

An event is stored in `payment_events` and takes effect in the same transaction; whether it came by
webhook, from asking the provider, or from an operator's replay makes no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

import settings
from db.models import Payment
from db.rows import LockedPayment, PaymentRow
from services import (
    clawback,
    inbox,
    ledger,
    locked_payments,
    lost_payments,
    payment_effects,
    payments,
    users,
)
from services.inbox import Verdict
from services.payment_effects import EFFECTS, REFUNDABLE
from services.payments import UNPAID

if TYPE_CHECKING:
    from providers.payments import Notice


def settle(session: Session, notice: Notice) -> Verdict:
    """Store the event and apply it; a repeat of one applied or ignored before changes nothing.

    What is known of the event is read while its payment is locked, so that of two duplicates the
    second sees what the first has done.
    """
    payment = _find_and_lock(session, notice)
    of_no_payment = lost_payments.make_again(session, notice) if payment is None else None
    if payment is None and of_no_payment is None:  # it has been made, by us or by another
        payment = _find_and_lock(session, notice)
    if payment is not None and payment.known_state and _is_settled(payment, notice):
        return Verdict(payment.known_state, payment.known_reason, payment.id)
    verdict = of_no_payment or _verdict(payment, notice)
    if payment is not None and verdict.state != "parked" and _is_another_charge(payment, notice):
        payment = _open_repeat_payment(session, payment.id)
        verdict = _verdict(payment, notice)
    erased = payment is not None and payment.user_erased
    inbox.keep(session, notice.impersonal() if erased else notice, verdict)
    if payment is not None and verdict.state != "parked":
        _apply(session, payment, notice)
    return verdict


def close(session: Session, payment_id: UUID, status: str) -> None:
    """Close a pending payment: `expired` if its provider says so, `canceled` if it refused.

    A late success still credits.
    """
    payment = locked_payments.lock(session, payment_id)
    if payment.status == "pending":
        reference = payment.reference or payment.charge_reference
        declined = payment.decline_code
        closed = payment_effects.close(session, payment, status, reference, declined)
        payment_effects.change(session, payment, closed)


def would_change(payment: PaymentRow, notice: Notice) -> bool:
    """Whether a notice has something to say about a payment as it is, be it for the operator."""
    pair = (payment.status, notice.outcome)
    if pair in EFFECTS and notice.outcome == "refunded" and payment.status in REFUNDABLE:
        return clawback.takes_more(payment, notice)
    return pair in EFFECTS or _is_another_charge(payment, notice)


def _find_and_lock(session: Session, notice: Notice) -> LockedPayment | None:
    return locked_payments.find_and_lock(
        session,
        notice.provider,
        payment_id=notice.payment_id,
        reference=notice.reference,
        charge_reference=notice.charge_reference,
        event_key=notice.event_id,
    )


def _is_settled(payment: LockedPayment, notice: Notice) -> bool:
    """Whether the event was applied or ignored before.

    A refund total may be reached again after a refund counted in it has failed.
    """
    if payment.known_state == "applied" and notice.outcome == "refunded":
        return payment.status not in REFUNDABLE or not clawback.takes_more(payment, notice)
    return payment.known_state in ("applied", "ignored")


def _verdict(payment: LockedPayment | None, notice: Notice) -> Verdict:
    if payment is None:
        return Verdict("parked", lost_payments.UNKNOWN)
    if fault := _fault(payment, notice):
        return Verdict("parked", fault, payment.id)
    if (payment.status, notice.outcome) in EFFECTS:
        return Verdict("applied", _remark(payment, notice), payment.id)
    if reason := FOR_THE_OPERATOR.get((payment.status, notice.outcome)):
        return Verdict("parked", reason, payment.id)
    unchanged = f"{notice.outcome} changes nothing when {payment.status}"
    return Verdict("ignored", unchanged, payment.id)


def _apply(session: Session, payment: LockedPayment, notice: Notice) -> None:
    columns = payment_effects.learned(payment, notice)
    if payment.status == "pending" and notice.decline and _is_news(session, payment, notice):
        columns["decline_code"] = notice.decline.value
    apply = EFFECTS.get((payment.status, notice.outcome))
    if apply is not None:
        columns |= apply(session, payment, notice)
    if payment.user_erased and columns.get("status") == "refunded":
        columns["payer_telegram_id"] = users.ERASED  # who it was is not needed any more
    if columns:
        payment_effects.change(session, payment, columns)


def _is_news(session: Session, payment: LockedPayment, notice: Notice) -> bool:
    """Whether a decline is the last one that is known; what is read back is the provider's last."""
    moment = notice.occurred_at
    return moment is None or not inbox.has_later_decline(session, payment.id, moment)


def _fault(payment: LockedPayment, notice: Notice) -> str | None:
    """Why an event must not be applied although its reference is known."""
    if settings.load().production and notice.livemode is False:
        return "test_mode"
    asked_minor, asked_currency = payment_effects.asked(payment, notice)
    if notice.currency and notice.currency.upper() != asked_currency.upper():
        return "currency_mismatch"
    amount_not_reported = notice.amount_minor is None and notice.outcome != "succeeded"
    if not amount_not_reported and notice.amount_minor != asked_minor:
        return "amount_mismatch"
    if notice.reference and payment.reference and notice.reference != payment.reference:
        return "reference_mismatch"
    if _is_another_charge(payment, notice) and notice.outcome != "succeeded":
        return "charge_mismatch"  # about a charge whose own payment has not been reported yet
    return None


def _remark(payment: LockedPayment, notice: Notice) -> str | None:
    """What the operator should know of an event that is applied all the same.

    A Telegram link can be passed on. Its tokens are for whom it was made for, since only that
    person's balance is known; the Stars are the payer's, to whom a refund has to go. Money that
    comes when its person was erased is credited for the books and has to be given back by hand.
    """
    paid = payment.status in UNPAID
    if paid and payment.user_erased:
        return lost_payments.ERASED
    stranger = notice.payer_id not in (None, payment.payer_telegram_id)
    return "another_payer" if paid and stranger else None


def _is_another_charge(payment: LockedPayment | PaymentRow, notice: Notice) -> bool:
    """A Telegram link can be paid again by the same person; each charge is money received."""
    return (
        notice.provider == "telegram"
        and payment.charge_reference is not None
        and notice.charge_reference is not None
        and notice.charge_reference != payment.charge_reference
    )


def _open_repeat_payment(session: Session, first_id: UUID) -> LockedPayment:
    """A payment of its own for a second charge of the same link: credited like the first."""
    first = payments.get(session, first_id)
    payment = Payment(
        user_id=first.user_id,
        provider=first.provider,
        amount_rub=first.amount_rub,
        tokens=first.tokens,
        tariff_id=first.tariff_id,
        plan=first.plan,
        client_ref=first.client_ref,
        asked_minor=first.asked_minor,
        asked_currency=first.asked_currency,
        payer_telegram_id=ledger.lock_account(session, first.user_id).telegram_id,
        repeats_id=first.id,
        expires_at=first.expires_at,
    )
    session.add(payment)
    session.flush()
    payments.record_gateway_payment(session, payment, status="pending")
    return locked_payments.lock(session, payment.id)


# True, but not for a program to decide: these park their event with the reason.
FOR_THE_OPERATOR = {
    # The dispute took everything; once it has ended, replaying the event applies it.
    ("disputed", "refunded"): "disputed",
    ("disputed", "refund_failed"): "disputed",
}
