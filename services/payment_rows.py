"""The row of a payment: found by whatever name of it a provider knows, locked, changed."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import Session

from db import Reader, Record, Statement
from db.models import Job, Payment, PaymentEvent, Referral, User


def lock(session: Session, payment_id: UUID) -> Record:
    """The payment, locked after its user as everywhere, with `has_*` as of lock_meant()."""
    _HELD.defer(session, payment_id=payment_id)
    return _UNDER_LOCK.one(session, payment_id=payment_id)


def change(session: Session, payment_id: UUID, **columns: Any) -> None:
    """Store new values of columns of a payment that the caller has locked."""
    values = {f"new_{name}": value for name, value in columns.items()}
    _change(tuple(columns)).defer(session, payment_id=payment_id, **values)


def knows(reader: Reader, provider: str, *, payment_id: UUID | None, reference: str | None) -> bool:
    """Whether a payment of ours is meant; a stranger's webhook must not make us call out."""
    known = _KNOWN.scalar(
        reader,
        provider=provider,
        charge_reference=None,
        reference=reference,
        payment_id=payment_id,
    )
    return known is not None


def lock_meant(
    session: Session,
    provider: str,
    *,
    payment_id: UUID | None,
    reference: str | None,
    charge_reference: str | None,
    event_key: str,
) -> Record | None:
    """The payment a provider speaks of, locked after its user; None when there is none.

    By the provider's own ids first, since those cannot be set by a customer. Besides the columns
    that an event is about, it has `has_inviter_to_thank`, `has_waiting` (whether the payer's
    jobs wait for tokens) and what is known of the event with `event_key`: `known_state`,
    `known_reason`.
    """
    names = {
        "provider": provider,
        "charge_reference": charge_reference,
        "reference": reference,
        "payment_id": payment_id,
    }
    # The first waits for the locks. The second, in the same message, sees what others have done
    # until they gave them up, which the first one, begun before, would not.
    _MEANT_HELD.defer(session, **names)
    return _MEANT_UNDER_LOCK.one_or_none(session, event_key=event_key, **names)


# Three look-ups by unique keys; PostgreSQL makes the next one only when there is none before.
_MEANT = func.coalesce(
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
_KNOWN = Statement(select(_MEANT))
# A payment never changes hands, so that its user is found and locked at once; rows are locked in
# the order in which the tables are named, and as by ledger.lock.
_TO_HOLD = (
    select(User.id)
    .join_from(User, Payment, User.id == Payment.user_id)
    .with_for_update(key_share=True, of=[User, Payment])
)
_HELD_ROW = (
    select(
        # For most people no, and then no more is asked.
        exists()
        .where(Referral.invitee_id == Payment.user_id, ~Referral.invitee_paid)
        .label("has_inviter_to_thank"),
        exists()
        .where(Job.user_id == Payment.user_id, Job.status == "waiting_payment")
        .label("has_waiting"),
    )
    .select_from(Payment)
    .with_for_update(key_share=True, of=Payment)
)
_HELD = Statement(_TO_HOLD.where(Payment.id == bindparam("payment_id")))
_UNDER_LOCK = Statement(
    _HELD_ROW.add_columns(*Payment.columns()).where(Payment.id == bindparam("payment_id"))
)
_MEANT_HELD = Statement(_TO_HOLD.where(Payment.id == _MEANT))
_MEANT_UNDER_LOCK = Statement(
    _HELD_ROW.add_columns(
        *Payment.columns(
            "number",
            "tariff_id",
            "payer_telegram_id",
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
    .where(Payment.id == _MEANT)
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
