"""What providers told, each event once, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Statement
from db.models import PaymentEvent

if TYPE_CHECKING:
    from providers.payments import Notice


@dataclass(frozen=True)
class Verdict:
    """What became of an event: applied, ignored or parked, and why."""

    state: str
    reason: str | None = None
    payment_id: UUID | None = None


def keep(session: Session, notice: Notice, verdict: Verdict) -> bool:
    """Keep an event with its verdict; False when it was kept before, or by a twin just now."""
    kept = _NEW.run(
        session,
        id=uuid4(),
        provider=notice.provider,
        event_key=notice.event_id,
        kind=notice.kind,
        reference=notice.reference,
        notice=notice.as_json(),
        state=verdict.state,
        reason=verdict.reason,
        payment_id=verdict.payment_id,
    )
    return kept > 0


def known(session: Session, notice: Notice) -> Verdict:
    """The verdict on an event that was kept before; it is locked."""
    event = _KNOWN.one(session, provider=notice.provider, event_key=notice.event_id)
    return Verdict(event.state, event.reason, event.payment_id)


def judge(session: Session, notice: Notice, verdict: Verdict) -> None:
    """Change the verdict on an event that was kept."""
    _JUDGED.later(
        session,
        of_provider=notice.provider,
        of_event_key=notice.event_id,
        new_state=verdict.state,
        new_reason=verdict.reason,
        new_payment_id=verdict.payment_id,
    )


_EVENTS: Any = PaymentEvent.__table__
_NEW = Statement(
    insert(_EVENTS)
    .values(
        {
            name: bindparam(name)
            for name in (
                "id",
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
    .values(applied_at=func.now())
    .on_conflict_do_nothing()
)
_KNOWN = Statement(
    select(_EVENTS.c.state, _EVENTS.c.reason, _EVENTS.c.payment_id)
    .where(
        _EVENTS.c.provider == bindparam("provider"), _EVENTS.c.event_key == bindparam("event_key")
    )
    .with_for_update()
)
_JUDGED = Statement(
    update(_EVENTS)
    .where(
        _EVENTS.c.provider == bindparam("of_provider"),
        _EVENTS.c.event_key == bindparam("of_event_key"),
    )
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        payment_id=bindparam("new_payment_id"),
        applied_at=func.now(),
    )
)
