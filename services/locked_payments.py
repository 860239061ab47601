"""The row of a payment: found by whichever of its ids a provider knows, locked, changed."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import Session

from db import Reader, Record, Statement
from db.models import Payment, PaymentEvent, Referral, User


def lock(session: Session, payment_id: UUID) -> Record:
    """The payment, locked after its user."""
    _LOCK.run(session, payment_id=payment_id)
    return _SELECT.one(session, payment_id=payment_id)


def change(session: Session, payment_id: UUID, **columns: Any) -> None:
    """Store new values of columns of a payment that the caller has locked."""
    values = {f"new_{name}": value for name, value in columns.items()}
    _change(tuple(columns)).run(session, payment_id=payment_id, **values)


def is_ours(
    reader: Reader, provider: str, *, payment_id: UUID | None, reference: str | None
) -> bool:
    """Whether there is such a payment; a stranger's webhook must not make us call a provider."""
    known = _SELECT_ID.scalar(
        reader,
        provider=provider,
        charge_reference=None,
        reference=reference,
        payment_id=payment_id,
    )
    return known is not None


def find_and_lock(
    session: Session,
    provider: str,
    *,
    payment_id: UUID | None,
    reference: str | None,
    charge_reference: str | None,
    event_key: str,
) -> Record | None:
    """The payment a provider refers to, locked after its user; None when there is none.

    Looked up by the provider's own ids first, since a customer cannot set those. Besides the
    columns that an event is about, it has `owes_referral_reward` and what is known of the event
    with `event_key`: `known_state`, `known_reason`.
    """
    names = {
        "provider": provider,
        "charge_reference": charge_reference,
        "reference": reference,
        "payment_id": payment_id,
    }
    # The first statement waits for the locks. The second sees what others did before they
    # released them; the first, which began earlier, would not.
    _LOCK_FOUND.run(session, **names)
    return _SELECT_FOUND.one_or_none(session, event_key=event_key, **names)


# Three look-ups by unique keys; PostgreSQL does the next one only if the previous found nothing.
_PAYMENT_ID = func.coalesce(
    *(
        select(Payment.id)
        .where(Payment.provider == bindparam("provider"), column == bindparam(name))
        .scalar_subquery()
        for name, column in (
            ("charge_reference", Payment.charge_reference),
            ("reference", Payment.reference),
            ("payment_id", Payment.id),
        )
    )
)
_SELECT_ID = Statement(select(_PAYMENT_ID))
# A payment's user never changes, so the user is found and locked together with it; rows are locked
# in the order in which the tables are named, and as by ledger.lock.
_LOCK_USER_AND_PAYMENT = (
    select(User.id)
    .join_from(User, Payment, User.id == Payment.user_id)
    .with_for_update(key_share=True, of=[User, Payment])
)
_SELECT_ROW = (
    select(
        # False for most users, which saves the referral query.
        exists()
        .where(
            Referral.invitee_id == Payment.user_id,
            ~Referral.invitee_paid | Referral.returned_at.is_not(None),
        )
        .label("owes_referral_reward"),
    )
    .select_from(Payment)
    .with_for_update(key_share=True, of=Payment)
)
_LOCK = Statement(_LOCK_USER_AND_PAYMENT.where(Payment.id == bindparam("payment_id")))
_SELECT = Statement(
    _SELECT_ROW.add_columns(*Payment.columns()).where(Payment.id == bindparam("payment_id"))
)
_LOCK_FOUND = Statement(_LOCK_USER_AND_PAYMENT.where(Payment.id == _PAYMENT_ID))
_SELECT_FOUND = Statement(
    _SELECT_ROW.add_columns(
        *Payment.columns(
            "number",
            "tariff_id",
            "payment_url",
            "expires_at",
            "next_check_at",
            "checks",
            "last_error",
            "created_at",
            "updated_at",
        ),
        PaymentEvent.state.label("known_state"),
        PaymentEvent.reason.label("known_reason"),
    )
    .outerjoin(
        PaymentEvent,
        (PaymentEvent.provider == bindparam("provider"))
        & (PaymentEvent.event_key == bindparam("event_key")),
    )
    .where(Payment.id == _PAYMENT_ID)
)


@cache
def _change(columns: tuple[str, ...]) -> Statement:
    """The statement that stores `new_*` in these columns."""
    table: Any = Payment.__table__
    return Statement(
        update(table)
        .where(table.c.id == bindparam("payment_id"))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns})
        .values(updated_at=func.now())
    )
