"""Payments in our tables only, what a provider tells of them, and what that does to the books."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from db import snapshot, transaction
from db.rows import PaymentRow, UserRow
from db.types import now
from providers.payments import Notice, Outcome
from services import ledger, payments, settlement
from services.inbox import Verdict

AMOUNT_RUB = Decimal(200)  # 20 tokens at 10 rubles


def open_payment_of(
    user: UserRow,
    amount: Decimal | int = AMOUNT_RUB,
    provider: str = "yookassa",
    plan: str | None = None,
) -> PaymentRow:
    """A payment of the user, open in our tables but unknown to the provider."""
    with transaction() as session:
        payment = payments.open(
            session, user.id, amount_rub=Decimal(amount), provider=provider, plan=plan, now=now()
        )
    with transaction() as session:
        return payments.attach(
            session,
            payment.id,
            reference=f"ref-{payment.id}",
            url="https://pay.example/1",
            asked_minor=payment.asked_minor,
            asked_currency="RUB",
            expires_at=None,
        )


def notice(payment: PaymentRow, outcome: str, **changes: Any) -> Notice:
    """What the provider tells of a payment."""
    base = Notice(
        provider=payment.provider,
        event_id=uuid4().hex,
        kind=f"payment.{outcome}",
        outcome=Outcome(outcome),
        payment_id=payment.id,
        reference=payment.reference,
        amount_minor=payment.asked_minor,
        currency="RUB",
    )
    return replace(base, **changes)


def settle(event: Notice) -> Verdict:
    """Apply what was told; the verdict."""
    with transaction() as session:
        return settlement.settle(session, event)


def books_are_whole() -> bool:
    """Whether no rule of the ledger is broken."""
    with snapshot() as session:
        return {rule: rows for rule, rows in ledger.violations(session).items() if rows} == {}
