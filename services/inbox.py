"""What providers told, each event once, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import bindparam, func
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


def keep(session: Session, notice: Notice, verdict: Verdict) -> None:
    """Keep an event with its verdict, or change the verdict on one that was kept before."""
    _KEPT.later(
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


_EVENTS: Any = PaymentEvent.__table__
_NEW = (
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
_KEPT = Statement(
    _NEW.on_conflict_do_update(
        index_elements=["provider", "event_key"],
        set_={
            name: _NEW.excluded[name] for name in ("state", "reason", "payment_id", "applied_at")
        },
    )
)
