"""Takes tokens back when a provider refunds rubles, and returns them when the rubles come back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Transaction
from db.rows import LockedPayment, PaymentRow
from services import events, funding, ledger, payments, referrals
from services.ledger import About
from services.locked_payments import PaymentColumns

if TYPE_CHECKING:
    from providers.payments import Notice

NOTHING = Decimal(0)
REFUND_FAILED = "refund failed: the bank could not return the money, the tokens are given back"


def refund(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """Take back the share of the tokens that corresponds to all rubles returned so far."""
    name = f"refund:{notice.refund_reference or notice.event_id}"
    changes = _take_back(session, payment, _returned_minor(payment, notice), name)
    if changes.get("refunded_rub", payment.refunded_rub) < payment.amount_rub:
        changes = {**changes, "status": "partly_refunded"}
    else:
        referrals.take_back(session, payment)
        changes = {**changes, "status": "refunded"}
    _tell_what_goes_back(session, payment, changes)
    return changes


def refund_failed(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """Rubles reported as returned stayed with us: the customer gets their tokens back.

    The notice gives the total really returned, without what a dispute took. The payment's
    `last_error` tells the operator that the customer is still waiting for the money.
    """
    rows = _rows(session, payment, "refund:%", "failed:%")
    minor = _returned_minor(payment, notice)
    returned = -sum((row.amount_rub or NOTHING for row in rows), NOTHING)
    rub = returned - _share(payment.amount_rub, payment, minor)
    if rub <= 0:
        return {}
    taken = -sum((row.tokens_delta for row in rows), NOTHING)
    lacked = sum((Decimal(row.meta["shortfallTokens"]) for row in rows), NOTHING)
    due = max(taken + lacked - _share(payment.tokens, payment, minor), NOTHING)
    # What could not be taken need not be given back.
    forgiven = min(due, lacked)
    name = f"failed:{notice.refund_reference or notice.event_id}"
    _give_back(session, payment, rub, due - forgiven, name, shortfall=-forgiven)
    _stands_again(session, payment)
    left = payment.refunded_rub - rub
    return {
        "refunded_rub": left,
        "refunded_tokens": payment.refunded_tokens - (due - forgiven),
        "shortfall_tokens": payment.shortfall_tokens - forgiven,
        "status": "partly_refunded" if left else "succeeded",
        "last_error": REFUND_FAILED,
    }


def dispute(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """The bank took the money back for now, so the tokens go too, until the dispute is won."""
    name = _dispute_name(payment, notice)
    changes = _take_back(session, payment, payment.asked_minor, name)
    changes = {**changes, "status": "disputed"}
    _tell_what_goes_back(session, payment, changes)
    return changes


def dispute_won(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """The money came back, so the tokens that the dispute took do too, even after it was lost."""
    disputes = _rows(session, payment, "dispute:%")
    if not disputes or _named(session, payment, f"won:{disputes[-1].reference}"):
        return {}  # other refunds had taken everything before the dispute
    taken = disputes[-1]
    returned = -(taken.amount_rub or Decimal(0))
    _give_back(session, payment, returned, -taken.tokens_delta, f"won:{taken.reference}")
    _stands_again(session, payment)
    left = payment.refunded_rub - returned
    return {
        "refunded_rub": left,
        "refunded_tokens": payment.refunded_tokens + taken.tokens_delta,
        "shortfall_tokens": payment.shortfall_tokens - Decimal(taken.meta["shortfallTokens"]),
        "status": "partly_refunded" if left else "succeeded",
    }


def dispute_lost(session: Session, payment: LockedPayment, notice: Notice) -> PaymentColumns:
    """The money is gone for good: take the tokens, unless the dispute itself has taken them."""
    name = _dispute_name(payment, notice)
    changes = _take_back(session, payment, payment.asked_minor, name)
    referrals.take_back(session, payment)
    changes = {**changes, "status": "refunded"}
    _tell_what_goes_back(session, payment, changes)
    return changes


def due(payment: PaymentRow, rub: Decimal) -> Decimal:
    """The tokens that a refund of `rub` asks back, were it the next report about this payment."""
    minor = round(payment.asked_minor * (payment.refunded_rub + rub) / payment.amount_rub)
    before = payment.refunded_tokens + payment.shortfall_tokens
    return max(_share(payment.tokens, payment, minor) - before, NOTHING)


def takes_more(payment: LockedPayment | PaymentRow, notice: Notice) -> bool:
    """Whether more rubles have been returned than the books have taken back."""
    returned = _share(payment.amount_rub, payment, _returned_minor(payment, notice))
    return returned > payment.refunded_rub


def _tell_what_goes_back(session: Session, payment: LockedPayment, changes: PaymentColumns) -> None:
    """Tell the bot which rubles and tokens these changes take, if any."""
    rub = changes.get("refunded_rub", payment.refunded_rub) - payment.refunded_rub
    if rub > 0:
        tokens = changes["refunded_tokens"] - payment.refunded_tokens
        news = events.payment_refunded(payment, changes["status"], rub, tokens)
        events.tell(session, payment.user_id, news)


def _stands_again(session: Session, payment: LockedPayment) -> None:
    """Money came back: the invitee has paid after all, so the inviter's reward is due again."""
    if payment.owes_referral_reward:
        referrals.reward(session, payment)


def _dispute_name(payment: LockedPayment, notice: Notice) -> str:
    return f"dispute:{notice.refund_reference or payment.id}"


def _returned_minor(payment: LockedPayment | PaymentRow, notice: Notice) -> int:
    """How much of `asked_minor` has been returned so far; all of it if the notice does not say."""
    reported = notice.refunded_minor
    asked = payment.asked_minor
    return asked if reported is None else min(reported, asked)


def _share(amount: Decimal, payment: LockedPayment | PaymentRow, minor: int) -> Decimal:
    """The share of `amount` that corresponds to `minor` of what was asked for, in hundredths.

    Multiplied first: a quotient such as 7/499 is rounded, and that can cost a kopeck.
    """
    return ledger.rounded(amount * minor / payment.asked_minor)


def _take_back(session: Session, payment: LockedPayment, minor: int, name: str) -> PaymentColumns:
    """Bring the rubles and tokens taken back up to `minor` of the payment; its new totals.

    The balance never goes below zero: what is missing is the shortfall, kept for the operator.
    """
    rub = _share(payment.amount_rub, payment, minor) - payment.refunded_rub
    if rub <= 0:
        return {}
    before = payment.refunded_tokens + payment.shortfall_tokens
    due = max(_share(payment.tokens, payment, minor) - before, NOTHING)
    balance = ledger.lock_account(session, payment.user_id).balance_tokens
    taken = min(due, balance)
    about = _about(session, payment, -rub, name, due - taken)
    if taken:
        ledger.post(session, payment.user_id, -taken, type="refund", **about)
    else:
        ledger.record(session, payment.user_id, type="refund", **about)
    return {
        "refunded_rub": payment.refunded_rub + rub,
        "refunded_tokens": payment.refunded_tokens + taken,
        "shortfall_tokens": payment.shortfall_tokens + due - taken,
    }


def _give_back(
    session: Session,
    payment: LockedPayment,
    rub: Decimal,
    tokens: Decimal,
    name: str,
    *,
    shortfall: Decimal = NOTHING,
) -> None:
    about = _about(session, payment, rub, name, shortfall)
    if tokens:
        funding.credit(session, payment.user_id, tokens, type="refund", **about)
    else:
        ledger.record(session, payment.user_id, type="refund", **about)


def _about(
    session: Session, payment: LockedPayment, amount_rub: Decimal, name: str, shortfall: Decimal
) -> About:
    # A refund or dispute may move money more than once: its total was reported together with that
    # of another refund, it failed, or a dispute that had ended was reopened.
    times = _named(session, payment, name)
    return {
        "payment_id": payment.id,
        "provider": payment.provider,
        "amount_rub": amount_rub,
        "currency": payments.CURRENCY,
        "plan": payment.plan,
        "reference": f"{name}#{times + 1}" if times else name,
        "meta": {"paymentId": str(payment.id), "shortfallTokens": str(shortfall)},
    }


def _rows(session: Session, payment: LockedPayment, *patterns: str) -> Sequence[Transaction]:
    """Refund rows of this payment whose reference is LIKE one of the patterns, oldest first."""
    query = select(Transaction).where(
        Transaction.payment_id == payment.id,
        Transaction.type == "refund",
        or_(*(Transaction.reference.like(pattern) for pattern in patterns)),
    )
    return session.scalars(query.order_by(Transaction.number)).all()


def _named(session: Session, payment: LockedPayment, name: str) -> int:
    """How many refund rows of this payment have this name."""
    references = [row.reference for row in _rows(session, payment, "%")]
    return sum(name in (each, str(each).rpartition("#")[0]) for each in references)
