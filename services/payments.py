"""Payments from the customer's side: opened, given a link, read. Money arrives in
services/settlement.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ARRAY, Text, and_, any_, bindparam, or_, select, type_coerce, update
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement
from db.models import Payment, Tariff, Transaction
from db.rows import LockedPayment, PaymentRow
from errors import ApiError
from services import ledger, locked_payments, paging, tariffs, users
from telemetry import logs

# How long a provider lets a customer pay; after that an unpaid intent is closed.
LIFETIME = timedelta(hours=24)
FIRST_CHECK = timedelta(minutes=3)
CHECK_WAITS = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 10, 20, 40, 60))
CURRENCY = "RUB"
# A customer who presses "I have paid" again and again hears what is known already.
ASK_PAUSE = timedelta(seconds=5)
ASKABLE = timedelta(days=30)
UNPAID = ("pending", "canceled", "expired")


class Filters(TypedDict, total=False):
    """What the operator's list of payments is narrowed to. troubled: True for those to look at."""

    status: str | None
    provider: str | None
    troubled: bool | None
    since: datetime | None
    until: datetime | None


def open(
    session: Session,
    user_id: UUID,
    *,
    amount_rub: Decimal,
    provider: str,
    plan: str | None,
    client_ref: str | None = None,
    now: datetime,
) -> PaymentRow:
    """A pending payment with its pending gateway_payment; the provider has not been asked yet.

    client_ref: the bot's own words, kept and returned, never logged. ApiError `user_not_found`,
    `user_banned`, `consent_required`, `tariff_not_found`, `amount_mismatch`, `amount_out_of_range`.
    """
    user = ledger.lock(session, user_id)
    users.require_not_banned(user.banned_at)
    users.require_consent(user.consent_pd)
    offer = tariffs.offer(session, amount_rub, plan)
    payment = Payment(
        user_id=user_id,
        provider=provider,
        amount_rub=amount_rub,
        tokens=offer.tokens,
        tariff_id=offer.tariff and offer.tariff.id,
        plan=offer.tariff.name if offer.tariff else None,
        client_ref=client_ref,
        asked_minor=int(amount_rub * 100),
        asked_currency=CURRENCY,
        payer_telegram_id=user.telegram_id,
        receipt_email=user.email,
        expires_at=now + LIFETIME,
        next_check_at=now + FIRST_CHECK,
        request_id=logs.request_id.get(),
    )
    session.add(payment)
    session.flush()
    record_gateway_payment(session, payment, status="pending")
    return get(session, payment.id)


def get(reader: Reader, payment_id: UUID) -> PaymentRow:
    """The payment. ApiError `payment_not_found`."""
    payment = _select.one_or_none(reader, payment_id)
    if payment is None:
        raise ApiError("payment_not_found")
    return payment


def listed(
    reader: Reader, *, limit: int, cursor: str | None = None, **filters: Unpack[Filters]
) -> paging.Page[PaymentRow]:
    """The newest payments of all users, for the operator."""
    return _LISTED.page(reader, limit=limit, cursor=cursor, **filters)


def find(reader: Reader, payment_id: UUID) -> PaymentRow:
    """Everything known about a payment, for the operator. ValueError when there is none."""
    payment = _select.one_or_none(reader, payment_id)
    if payment is None:
        raise ValueError("there is no such payment")
    return payment


def named(
    reader: Reader,
    provider: str,
    *,
    payment_ids: list[UUID],
    references: list[str],
    charge_references: list[str],
) -> list[PaymentRow]:
    """The payments of a provider that have any of these ids, each of which has an index."""
    return _named.all(reader, provider, payment_ids, references, charge_references)


def service() -> str:
    """Where our customers come from and go back to: the bot, or else this server."""
    current = settings.load()
    bot = current.telegram_bot_username
    return f"https://t.me/{bot}" if bot else current.origin


def title(payment: PaymentRow) -> str:
    """What the customer reads on the payment page."""
    return payment.title or f"{payment.tokens.normalize():f} токенов"


def attach(
    session: Session,
    payment_id: UUID,
    *,
    reference: str,
    url: str,
    asked_minor: int,
    asked_currency: str,
    expires_at: datetime | None,
) -> PaymentRow:
    """Store the provider's answer, once; a duplicate request gets the first answer."""
    locked_payments.lock(session, payment_id)
    payment = get(session, payment_id)
    if payment.payment_url is not None:
        return payment
    known = payment.reference or reference
    session.execute(
        update(Transaction)
        .where(
            Transaction.payment_id == payment.id,
            Transaction.type == "gateway_payment",
            Transaction.status == "pending",
        )
        .values(reference=known)
    )
    locked_payments.change(
        session,
        payment.id,
        reference=known,
        payment_url=url,
        asked_minor=asked_minor,
        asked_currency=asked_currency,
        expires_at=expires_at or payment.expires_at,
        last_error=None,
    )
    return get(session, payment.id)


def why_not_payable(
    reader: Reader,
    payment_id: UUID | None,
    *,
    amount_minor: int,
    currency: str,
    payer_id: str,
) -> str | None:
    """What to tell a payer (in Russian) whose payment must be stopped; None if it may proceed.

    A Telegram link can be passed on and paid by anybody, any number of times: only its own user
    may pay it, exactly what it asks, while it is pending.
    """
    payment = None if payment_id is None else _select.one_or_none(reader, payment_id)
    if payment is None:
        return "Счёт не найден. Запросите новый в боте."
    if payment.status != "pending":
        return "Этот счёт уже оплачен или закрыт. Запросите новый в боте."
    if (payment.asked_minor, payment.asked_currency) != (amount_minor, currency):
        return "Сумма счёта изменилась. Запросите новый в боте."
    if payment.payer_telegram_id != payer_id:
        return "Этот счёт выставлен другому пользователю."
    return None


def claim_due(
    session: Session, *, now: datetime, without: Collection[str] = ()
) -> tuple[UUID, str] | None:
    """A pending payment and the provider to ask about it now; no other worker gets the same one.

    The next check is scheduled at once, later each time: a crash while asking costs one round.
    without: providers that were just found to be down.
    """
    payment = session.scalar(
        select(Payment)
        .where(
            Payment.status == "pending",
            Payment.next_check_at <= now,
            Payment.provider.not_in(without),
        )
        .order_by(Payment.next_check_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if payment is None:
        return None
    next_check_at = now + CHECK_WAITS[min(payment.checks, len(CHECK_WAITS) - 1)]
    if now < payment.expires_at < next_check_at:
        next_check_at = max(payment.expires_at, now + CHECK_WAITS[0])
    payment.next_check_at = next_check_at
    payment.checks += 1
    return payment.id, payment.provider


def claim_check(session: Session, payment_id: UUID, *, now: datetime) -> bool:
    """Whether the provider should be asked now because the customer says that it was paid.

    Not within ASK_PAUSE of the last time, whoever asked, and not about money that has arrived, or
    about a page that has been closed for ASKABLE. Only the payment is locked, and nothing after it.
    """
    row = session.execute(
        update(Payment)
        .where(
            Payment.id == payment_id,
            Payment.status.in_(UNPAID),
            Payment.expires_at > now - ASKABLE,
            or_(Payment.asked_at.is_(None), Payment.asked_at <= now - ASK_PAUSE),
        )
        .values(asked_at=now)
        .returning(Payment.id)
    )
    return row.one_or_none() is not None


def note_trouble(session: Session, payment_id: UUID, error: str) -> None:
    """Record for the operator why the provider has not answered yet."""
    session.execute(update(Payment).where(Payment.id == payment_id).values(last_error=error[:500]))


def record_gateway_payment(
    session: Session,
    payment: Payment | LockedPayment,
    *,
    status: str,
    reference: str | None = None,
) -> None:
    """The ledger row that shows the customer the rubles of this payment."""
    ledger.record(
        session,
        payment.user_id,
        type="gateway_payment",
        status=status,
        payment_id=payment.id,
        provider=payment.provider,
        amount_rub=payment.amount_rub,
        currency=CURRENCY,
        plan=payment.plan,
        reference=reference,
        meta={"paymentId": str(payment.id)},
    )


_PAYMENTS = select(*Payment.columns(PaymentRow), Tariff.title).outerjoin_from(
    Payment, Tariff, Tariff.id == Payment.tariff_id
)
_LISTED = paging.Filtered(
    PaymentRow,
    _PAYMENTS,
    {Payment.created_at: paging.moment, Payment.number: paging.number},
    status=Payment.status == bindparam("status", type_=Text),
    provider=Payment.provider == bindparam("provider", type_=Text),
    troubled=and_(Payment.last_error.is_not(None), Payment.status.not_in(("canceled", "expired"))),
    **paging.period(Payment.created_at),
)


@statement(PaymentRow)
def _named(
    provider: str,
    payment_ids: list[UUID],
    references: list[str],
    charge_references: list[str],
) -> Query:
    ids: Any = payment_ids  # placeholders here
    return _PAYMENTS.where(
        Payment.provider == provider,
        or_(
            Payment.id == any_(ids),
            Payment.reference == any_(type_coerce(references, ARRAY(Text))),
            Payment.charge_reference == any_(type_coerce(charge_references, ARRAY(Text))),
        ),
    )


@statement(PaymentRow)
def _select(payment_id: UUID) -> Query:
    return _PAYMENTS.where(Payment.id == payment_id)
