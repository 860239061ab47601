"""Events reported by providers, each stored once, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Statement
from db.models import PaymentEvent

if TYPE_CHECKING:
    from providers.payments import Notice


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
    _UPSERT.run(
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


def recent(session: Session, *, state: str | None, limit: int) -> list[PaymentEvent]:
    """The newest events of all providers, of one state if given."""
    query = select(PaymentEvent).order_by(PaymentEvent.number.desc()).limit(limit)
    return list(session.scalars(query.where(PaymentEvent.state == state) if state else query))


def flagged(session: Session, *, limit: int) -> list[PaymentEvent]:
    """The newest events that were applied and that the operator should look at."""
    query = select(PaymentEvent).where(
        PaymentEvent.state == "applied", PaymentEvent.reason.is_not(None)
    )
    return list(session.scalars(query.order_by(PaymentEvent.number.desc()).limit(limit)))


def of_payment(session: Session, payment_id: UUID) -> list[PaymentEvent]:
    """Events about a payment, in the order of arrival."""
    query = select(PaymentEvent).where(PaymentEvent.payment_id == payment_id)
    return list(session.scalars(query.order_by(PaymentEvent.number)))


def find(session: Session, event_id: UUID) -> PaymentEvent:
    """ValueError when there is no such event."""
    event = session.get(PaymentEvent, event_id)
    if event is None:
        raise ValueError("there is no such event")
    return event


_EVENTS: Any = PaymentEvent.__table__
_INSERT = (
    insert(_EVENTS)
    .values(
        {
            name: bindparam(name)
            for name in (
                "provider",
                "event_key",
                "kind",
                "reference",
                "notice",
                "state",
                "reason",
                "payment_id",
            )
        }
    )
    .values(id=func.gen_random_uuid(), applied_at=func.now())
)
_UPSERT = Statement(
    _INSERT.on_conflict_do_update(
        index_elements=["provider", "event_key"],
        set_={
            name: _INSERT.excluded[name] for name in ("state", "reason", "payment_id", "applied_at")
        },
    )
)
