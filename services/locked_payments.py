"""The row of a payment: found by whichever of its ids a provider knows, locked, changed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, null, select, update
from sqlalchemy.orm import Session

from db import Query, Reader, scalar, statement
from db.models import Payment, PaymentEvent, Referral, User
from db.rows import LockedPayment
from db.statements import Write


class PaymentColumns(TypedDict, total=False):
    """What changes in a payment after it was opened; see db.models.Payment."""

    status: str
    asked_minor: int
    asked_currency: str
    payer_telegram_id: str
    reference: str | None
    charge_reference: str | None
    payment_url: str
    refunded_rub: Decimal
    refunded_tokens: Decimal
    shortfall_tokens: Decimal
    expires_at: datetime
    next_check_at: datetime | None
    last_error: str | None
    decline_code: str
    paid_at: datetime


def lock(session: Session, payment_id: UUID) -> LockedPayment:
    """The payment, locked after its user."""
    _lock(session, payment_id)
    return _select.one(session, payment_id)


def change(session: Session, payment_id: UUID, **columns: Unpack[PaymentColumns]) -> None:
    """Store new values of columns of a payment that the caller has locked."""
    values = {f"new_{name}": value for name, value in columns.items()}
    _change(tuple(columns))(session, payment_id=payment_id, **values)


def is_ours(
    reader: Reader, provider: str, *, payment_id: UUID | None, reference: str | None
) -> bool:
    """Whether there is such a payment; a stranger's webhook must not make us call a provider."""
    return _select_id(reader, provider, payment_id, reference, None) is not None


def find_and_lock(
    session: Session,
    provider: str,
    *,
    payment_id: UUID | None,
    reference: str | None,
    charge_reference: str | None,
    event_key: str,
) -> LockedPayment | None:
    """The payment a provider refers to, locked after its user; None when there is none.

    Looked up by the provider's own ids first, since a customer cannot set those.
    """
    names = (provider, payment_id, reference, charge_reference)
    # The first statement waits for the locks. The second sees what others did before they
    # released them; the first, which began earlier, would not.
    _lock_found(session, *names)
    return _select_found.one_or_none(session, *names, event_key)


def _id_of(
    provider: str, payment_id: UUID | None, reference: str | None, charge_reference: str | None
) -> ColumnElement[UUID]:
    """Three look-ups by unique keys, each made only if the one before it has found nothing."""
    keys = (
        Payment.charge_reference == charge_reference,
        Payment.reference == reference,
        Payment.id == payment_id,
    )
    return func.coalesce(
        *(
            select(Payment.id).where(Payment.provider == provider, key).scalar_subquery()
            for key in keys
        )
    )


@scalar
def _select_id(
    provider: str, payment_id: UUID | None, reference: str | None, charge_reference: str | None
) -> Select[UUID]:
    return select(_id_of(provider, payment_id, reference, charge_reference))


# A payment's user never changes, so the user is found and locked together with it; rows are locked
# in the order in which the tables are named, and as by ledger.lock.
_LOCK_USER_AND_PAYMENT = (
    select(User.id)
    .join_from(User, Payment, User.id == Payment.user_id)
    .with_for_update(key_share=True, of=[User, Payment])
)
_SELECT_LOCKED = (
    select(
        *Payment.columns(LockedPayment),
        # False for most users, which saves the referral query.
        exists()
        .where(
            Referral.invitee_id == Payment.user_id,
            ~Referral.invitee_paid | Referral.returned_at.is_not(None),
        )
        .label("owes_referral_reward"),
        exists()
        .where(User.id == Payment.user_id, User.erased_at.is_not(None))
        .label("user_erased"),
    )
    .select_from(Payment)
    .with_for_update(key_share=True, of=Payment)
)


@scalar
def _lock(payment_id: UUID) -> Select[UUID]:
    return _LOCK_USER_AND_PAYMENT.where(Payment.id == payment_id)


@statement(LockedPayment)
def _select(payment_id: UUID) -> Query:
    return _SELECT_LOCKED.add_columns(
        null().label("known_state"), null().label("known_reason")
    ).where(Payment.id == payment_id)


@scalar
def _lock_found(
    provider: str, payment_id: UUID | None, reference: str | None, charge_reference: str | None
) -> Select[UUID]:
    found = _id_of(provider, payment_id, reference, charge_reference)
    return _LOCK_USER_AND_PAYMENT.where(Payment.id == found)


@statement(LockedPayment)
def _select_found(
    provider: str,
    payment_id: UUID | None,
    reference: str | None,
    charge_reference: str | None,
    event_key: str,
) -> Query:
    same_event = and_(PaymentEvent.provider == provider, PaymentEvent.event_key == event_key)
    found = _id_of(provider, payment_id, reference, charge_reference)
    return (
        _SELECT_LOCKED.add_columns(
            PaymentEvent.state.label("known_state"), PaymentEvent.reason.label("known_reason")
        )
        .outerjoin(PaymentEvent, same_event)
        .where(Payment.id == found)
    )


@cache
def _change(columns: tuple[str, ...]) -> Write[...]:
    """The statement that stores `new_*` in these columns."""
    table: Any = Payment.__table__
    return Write(
        update(table)
        .where(table.c.id == bindparam("payment_id"))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns})
        .values(updated_at=func.now())
    )
