"""Payments whose rows were lost, as by a restore of the database: made again from what was kept.

The provider keeps the money and our metadata (providers/payments/metadata.py). What it says was
paid must be what the metadata says was asked, and the tokens what these rubles buy now; anything
else waits for the operator. Once made, a payment is settled like every other one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Select, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Reader, scalar
from db.models import Payment
from db.rows import UserRow
from db.types import now
from services import (
    erased_accounts,
    inbox,
    ledger,
    locked_payments,
    payments,
    registration,
    tariffs,
    users,
)
from services.inbox import Verdict

if TYPE_CHECKING:
    from providers.payments import Metadata, Notice

# What a provider reports of money that had come, and from which settlement credits it.
PAID_OUTCOMES = ("succeeded", "refunded", "disputed", "dispute_lost")
UNPAID_OUTCOMES = ("pending", "canceled", "expired")
USED_WITHIN = timedelta(days=30)
UNKNOWN, ERASED, TERMS = "unknown_reference", "erased_user", "terms_changed"


def make_again(session: Session, notice: Notice) -> Verdict | None:
    """Make the row of a paid payment that is not there, pending, for settlement to apply the
    notice; otherwise the verdict on that notice.

    Whoever does the same at the same time waits for the user's row, and then finds the payment.
    """
    kept = notice.metadata
    if inbox.is_dismissed(session, notice.provider, notice.event_id):
        return Verdict("ignored", inbox.DISMISSED)
    if kept is None:
        return Verdict("parked", UNKNOWN)
    if nothing_to_do := _why_not(notice, kept):
        return nothing_to_do
    if fault := _fault(session, notice, kept):
        return Verdict("parked", fault)
    user = _locked_user(session, kept)
    if user is None:
        return Verdict("parked", ERASED)
    if _insert(session, notice, kept, user):
        payment = locked_payments.lock(session, kept.payment_id)
        payments.record_gateway_payment(session, payment, status="pending")
    return None


def is_of_this_service(kept: Metadata) -> bool:
    """Whether a payment was opened by us, not by another service on the same account."""
    return kept.service in (None, payments.service())


def is_used(reader: Reader, provider: str, moment: datetime) -> bool:
    """Whether there may be money of that time at a provider, as payments were opened there in the
    month before.
    """
    return bool(_is_used(reader, provider, moment - USED_WITHIN))


def _why_not(notice: Notice, kept: Metadata) -> Verdict | None:
    """The verdict on a notice that does not say that we were paid."""
    if not is_of_this_service(kept):
        return Verdict("ignored", f"a payment of {kept.service}")
    if notice.outcome in UNPAID_OUTCOMES:
        return Verdict("ignored", f"{notice.outcome} changes nothing: there is no such payment")
    if notice.outcome not in PAID_OUTCOMES:
        return Verdict("parked", UNKNOWN)  # to be settled after what came before it
    return None


def _fault(session: Session, notice: Notice, kept: Metadata) -> str | None:
    """Why the payment cannot be made again as its metadata says."""
    if settings.load().production and notice.livemode is False:
        return "test_mode"
    if notice.payment_id != kept.payment_id:
        return "reference_mismatch"
    if notice.currency != kept.asked_currency:
        return "currency_mismatch"
    rubles_differ = kept.asked_currency == payments.CURRENCY and (
        kept.asked_minor != kept.amount_rub * 100
    )
    if notice.amount_minor != kept.asked_minor or rubles_differ:
        return "amount_mismatch"
    sold = tariffs.sells(session, kept.tariff_id, amount_rub=kept.amount_rub, tokens=kept.tokens)
    return None if sold else TERMS


def _locked_user(session: Session, kept: Metadata) -> UserRow | None:
    """Whose money it is, locked; made again if that row was lost, too. None if they were erased.

    Who has registered anew since then has another id, and the same Telegram account.
    """
    user = users.account(session, kept.user_id) or users.by_telegram_id(session, kept.telegram_id)
    if user is None:
        if erased_accounts.is_gone(session, kept.telegram_id):
            return None
        user = registration.register_or_log_in(session, kept.telegram_id, user_id=kept.user_id)
    locked = ledger.lock_account(session, user.id)
    return None if locked.erased_at else locked


def _insert(session: Session, notice: Notice, kept: Metadata, user: UserRow) -> bool:
    """Whether the row was made; it is there already when another was faster."""
    tariff = tariffs.by_id(session, kept.tariff_id) if kept.tariff_id else None
    paid_at = notice.occurred_at or now()
    made = insert(Payment).values(
        id=kept.payment_id,
        user_id=user.id,
        provider=notice.provider,
        amount_rub=kept.amount_rub,
        tokens=kept.tokens,
        tariff_id=tariff and tariff.id,
        plan=kept.plan or (tariff and tariff.name),
        asked_minor=kept.asked_minor,
        asked_currency=kept.asked_currency,
        payer_telegram_id=user.telegram_id,
        created_at=paid_at,
        expires_at=paid_at + payments.LIFETIME,
    )
    new = session.scalar(made.on_conflict_do_nothing().returning(Payment.id))
    return new is not None


@scalar
def _is_used(provider: str, since: datetime) -> Select[bool]:
    return select(exists().where(Payment.provider == provider, Payment.created_at >= since))
