"""What an operator's move of money would do, told before it is done. Pure reads: between the
preview and the move the balance may change, and then the move says so.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, select

from db import Reader, scalar
from db.models import Job
from db.rows import PaymentRow
from services import clawback, users


class Effect(NamedTuple):
    """What would become of a balance. tokens: given, or taken if negative.

    starts: how many waiting orders the user could then pay for. lacking: tokens that the balance
    does not have; a refund lets them go, a withdrawal is refused.
    """

    tokens: Decimal
    balance_before: Decimal
    balance_after: Decimal
    starts: int = 0
    lacking: Decimal = Decimal(0)


def grant(reader: Reader, user_id: UUID, tokens: Decimal) -> Effect:
    """What services.grants.grant would do. ApiError `user_not_found`."""
    before = users.balance(reader, user_id)
    left, starts = before + tokens, 0
    for price in _waiting.all(reader, user_id):
        if price <= left:
            left, starts = left - price, starts + 1
    return Effect(tokens, before, left, starts)


def withdraw(reader: Reader, user_id: UUID, tokens: Decimal) -> Effect:
    """What services.grants.withdraw would do. ApiError `user_not_found`."""
    before = users.balance(reader, user_id)
    lacking = max(tokens - before, Decimal(0))
    return Effect(-tokens, before, before - tokens + lacking, lacking=lacking)


def refund(reader: Reader, payment: PaymentRow, rub: Decimal) -> Effect:
    """What workflows.reconciler.refund would take back for `rub`.

    ValueError when the payment was never paid or has less left.
    """
    left = payment.amount_rub - payment.refunded_rub
    if payment.paid_at is None:
        raise ValueError(f"the payment is {payment.status}, nothing has been paid")
    if not 0 < rub <= left:
        raise ValueError(f"{left} of {payment.amount_rub} rub are left to return")
    before = users.account_balance(reader, payment.user_id)
    due = clawback.due(payment, rub)
    taken = min(due, before)
    return Effect(-taken, before, before - taken, lacking=due - taken)


@scalar
def _waiting(user_id: UUID) -> Select[Decimal]:
    return (
        select(Job.price_tokens)
        .where(Job.user_id == user_id, Job.status == "waiting_payment")
        .order_by(Job.number)
    )
