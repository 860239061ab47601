"""Events reported by providers, each stored once, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Select,
    Text,
    UpdateBase,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, after_commit, scalar, statement, write
from db.models import Payment, PaymentEvent
from db.rows import PaymentEventRow
from services import paging
from telemetry import metrics

if TYPE_CHECKING:
    from providers.payments import Notice

SWEPT_AT_ONCE = 1000
# What is left of a notice without that which leads to its payer, as Notice.impersonal() leaves it;
# it can still be applied.
IMPERSONAL = PaymentEvent.notice.op("-")(array(["raw", "payer_id"]))
DISMISSED = "dismissed"  # by an operator; the reason of such an event begins with it


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
    if metrics.has_started():
        after_commit(session, partial(metrics.payment_events.add, notice.provider, verdict.state))


def has_later_decline(reader: Reader, payment_id: UUID, moment: datetime) -> bool:
    """Whether a decline after this moment is known; one that was read back is from when it was."""
    return bool(_has_later_decline(reader, payment_id, moment))


def listed(
    reader: Reader,
    *,
    limit: int,
    cursor: str | None = None,
    state: str | None = None,
    flagged: bool = False,
) -> paging.Page[PaymentEventRow]:
    """The newest events of all providers. flagged: applied, but the operator should look."""
    return _LISTED.page(reader, limit=limit, cursor=cursor, state=state, flagged=flagged or None)


def of_payment(reader: Reader, payment_id: UUID) -> list[PaymentEventRow]:
    """Events about a payment, in the order of arrival."""
    return _of_payment.all(reader, payment_id)


def find(reader: Reader, event_id: UUID) -> PaymentEventRow:
    """ValueError when there is no such event."""
    event = _select.one_or_none(reader, event_id)
    if event is None:
        raise ValueError("there is no such event")
    return event


def settleable(reader: Reader, since: datetime) -> list[PaymentEventRow]:
    """Events parked since then for want of a payment that is there by now, in order of arrival."""
    return _settleable.all(reader, since)


def of_no_payment(reader: Reader, since: datetime) -> list[PaymentEventRow]:
    """Events parked since then that are about no payment of ours, in order of arrival."""
    return _of_no_payment.all(reader, since)


def is_dismissed(reader: Reader, provider: str, event_key: str) -> bool:
    """Whether an operator has put this event aside for good."""
    return bool(_is_dismissed(reader, provider, event_key))


def forget_notices(session: Session, *, now: datetime) -> int:
    """Take out of up to SWEPT_AT_ONCE events older than NOTICE_TTL_DAYS what leads to their payers,
    not of parked ones, which the operator may still apply; returns how many.
    """
    return _forget_notices(session, now - timedelta(days=settings.load().notice_ttl_days))


def dismiss(session: Session, event_id: UUID, *, reason: str) -> PaymentEventRow:
    """Put a parked event aside for good: it is ignored, as are repeats of it.

    ValueError when there is no such event, or it is not parked.
    """
    event = _dismiss.one_or_none(session, event_id, f"{DISMISSED}: {reason}")
    if event is None:
        raise ValueError(f"the event is {find(session, event_id).state}, not parked")
    return event


_EVENTS = select(*PaymentEvent.columns(PaymentEventRow))
_LISTED = paging.Filtered(
    PaymentEventRow,
    _EVENTS,
    {PaymentEvent.number: paging.number},
    state=PaymentEvent.state == bindparam("state", type_=Text),
    flagged=and_(PaymentEvent.state == "applied", PaymentEvent.reason.is_not(None)),
)


@scalar
def _has_later_decline(payment_id: UUID, moment: datetime) -> Select[bool]:
    said = cast(PaymentEvent.notice["occurred_at"].astext, DateTime(timezone=True))
    # Providers tell whole seconds.
    occurred_at = func.coalesce(said, func.date_trunc("second", PaymentEvent.received_at))
    declined = PaymentEvent.notice["decline"].astext.is_not(None)
    of_payment = exists().where(PaymentEvent.payment_id == payment_id)
    return select(of_payment.where(declined, occurred_at > moment))


@statement(PaymentEventRow)
def _select(event_id: UUID) -> Query:
    return _EVENTS.where(PaymentEvent.id == event_id)


@statement(PaymentEventRow)
def _of_payment(payment_id: UUID) -> Query:
    return _EVENTS.where(PaymentEvent.payment_id == payment_id).order_by(PaymentEvent.number)


def _parked_for_nobody(since: datetime) -> Select[*tuple[Any, ...]]:
    return _EVENTS.where(
        PaymentEvent.state == "parked",
        PaymentEvent.payment_id.is_(None),
        PaymentEvent.received_at >= since,
    ).order_by(PaymentEvent.number)


@statement(PaymentEventRow)
def _settleable(since: datetime) -> Query:
    names = (
        # Not the id as text, which no index has. The notice's was one when it was read.
        Payment.id == cast(PaymentEvent.notice["payment_id"].astext, Uuid),
        Payment.reference == PaymentEvent.reference,
        Payment.charge_reference == PaymentEvent.notice["charge_reference"].astext,
    )
    there = exists().where(Payment.provider == PaymentEvent.provider, or_(*names))
    return _parked_for_nobody(since).where(there)


@statement(PaymentEventRow)
def _of_no_payment(since: datetime) -> Query:
    return _parked_for_nobody(since)


@scalar
def _is_dismissed(provider: str, event_key: str) -> Select[bool]:
    return select(
        exists().where(
            PaymentEvent.provider == provider,
            PaymentEvent.event_key == event_key,
            func.coalesce(PaymentEvent.reason, "").startswith(DISMISSED),
        )
    )


@statement(PaymentEventRow)
def _dismiss(event_id: UUID, reason: str) -> Query:
    return (
        update(PaymentEvent)
        .where(PaymentEvent.id == event_id, PaymentEvent.state == "parked")
        .values(state="ignored", reason=reason)
        .returning(*PaymentEvent.columns(PaymentEventRow))
    )


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
        where=~func.coalesce(PaymentEvent.reason, "").startswith(DISMISSED),
    )
