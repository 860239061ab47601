"""Events reported by providers, each stored once, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import UpdateBase, func, select, update
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement, write
from db.models import PaymentEvent
from db.rows import PaymentEventRow

if TYPE_CHECKING:
    from providers.payments import Notice

SWEPT_AT_ONCE = 1000
# What is left of a notice without that which leads to its payer; it can still be applied.
IMPERSONAL = PaymentEvent.notice.op("-")(array(["raw", "payer_id"]))


@dataclass(frozen=True)
class Verdict:
    """What became of an event: applied, ignored or parked, and why.

    An event that was applied and has a reason is flagged: the operator should look at it.
    """

    state: str
    reason: str | None = None
    payment_id: UUID | None = None

    @property
    def is_for_the_operator(self) -> bool:
        """Whether a person should look at it."""
        return self.state == "parked" or (self.state == "applied" and self.reason is not None)


def keep(session: Session, notice: Notice, verdict: Verdict) -> None:
    """Store an event with its verdict, or change the verdict on one already stored."""
    _upsert(
        session,
        provider=notice.provider,
        event_key=notice.event_id,
        kind=notice.kind,
        reference=notice.reference,
        notice=notice.as_json(),
        state=verdict.state,
        reason=verdict.reason,
        payment_id=verdict.payment_id,
    )


def recent(reader: Reader, *, state: str | None, limit: int) -> list[PaymentEventRow]:
    """The newest events of all providers, of one state if given."""
    return _recent.all(reader, state, limit)


def flagged(reader: Reader, *, limit: int) -> list[PaymentEventRow]:
    """The newest events that were applied and that the operator should look at."""
    return _flagged.all(reader, limit)


def of_payment(reader: Reader, payment_id: UUID) -> list[PaymentEventRow]:
    """Events about a payment, in the order of arrival."""
    return _of_payment.all(reader, payment_id)


def find(reader: Reader, event_id: UUID) -> PaymentEventRow:
    """ValueError when there is no such event."""
    event = _select.one_or_none(reader, event_id)
    if event is None:
        raise ValueError("there is no such event")
    return event


def forget_notices(session: Session, *, now: datetime) -> int:
    """Take out of up to SWEPT_AT_ONCE events older than NOTICE_TTL_DAYS what leads to their payers,
    not of parked ones, which the operator may still apply; returns how many.
    """
    return _forget_notices(session, now - timedelta(days=settings.load().notice_ttl_days))


_EVENTS = select(*PaymentEvent.columns(PaymentEventRow))
_NEWEST = _EVENTS.order_by(PaymentEvent.number.desc())


@statement(PaymentEventRow)
def _select(event_id: UUID) -> Query:
    return _EVENTS.where(PaymentEvent.id == event_id)


@statement(PaymentEventRow)
def _recent(state: str | None, limit: int) -> Query:
    return _NEWEST.where(PaymentEvent.state == func.coalesce(state, PaymentEvent.state)).limit(
        limit
    )


@statement(PaymentEventRow)
def _flagged(limit: int) -> Query:
    return _NEWEST.where(PaymentEvent.state == "applied", PaymentEvent.reason.is_not(None)).limit(
        limit
    )


@statement(PaymentEventRow)
def _of_payment(payment_id: UUID) -> Query:
    return _EVENTS.where(PaymentEvent.payment_id == payment_id).order_by(PaymentEvent.number)


@write
def _forget_notices(before: datetime) -> UpdateBase:
    old = (
        select(PaymentEvent.id)
        .where(
            PaymentEvent.state != "parked",
            PaymentEvent.notice.has_key("raw"),
            PaymentEvent.received_at < before,
        )
        .order_by(PaymentEvent.received_at)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return update(PaymentEvent).where(PaymentEvent.id.in_(old)).values(notice=IMPERSONAL)


@write
def _upsert(
    provider: str,
    event_key: str,
    kind: str,
    reference: str | None,
    notice: dict[str, Any],
    state: str,
    reason: str | None,
    payment_id: UUID | None,
) -> UpdateBase:
    new = insert(PaymentEvent).values(
        id=func.gen_random_uuid(),
        provider=provider,
        event_key=event_key,
        kind=kind,
        reference=reference,
        notice=notice,
        state=state,
        reason=reason,
        payment_id=payment_id,
        applied_at=func.now(),
    )
    changed = ("state", "reason", "payment_id", "applied_at")
    return new.on_conflict_do_update(
        index_elements=["provider", "event_key"],
        set_={name: new.excluded[name] for name in changed},
    )
