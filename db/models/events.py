"""What the bot is told: each event once, in the transaction of its effect."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of

# kept: only to be read, as no EVENTS_URL was set; the others are those of its delivery.
DELIVERY_STATES = ("kept", "pending", "delivered", "dead")


class Event(Table):
    """Something the bot should know, final once it is written.

    number: the order of writing, which other transactions see late and with gaps. sequence: the
    order in which the bot gets them, given when the row is seen to be committed
    (services/feed.py). telegram_id, balance_tokens: of its user when it was written. body: the
    rest of what is sent. The columns from `state` on are about its delivery to EVENTS_URL:
    `attempt` is the fencing token, attempts_before those before the last replay, and nobody looks
    at a pending one before `next_at`.
    """

    __tablename__ = "events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True))
    sequence: Mapped[int | None] = mapped_column(unique=True)
    type: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    telegram_id: Mapped[str | None]
    balance_tokens: Mapped[Decimal | None]
    client_ref: Mapped[str | None]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    attempts_before: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_at: Mapped[datetime | None]
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("state", DELIVERY_STATES), "state"),
        CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", "pending_is_due"),
        CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", "delivered"),
        CheckConstraint(
            "(user_id IS NULL) = (telegram_id IS NULL)"
            " AND (user_id IS NULL) = (balance_tokens IS NULL)",
            "user",
        ),
        Index("ix_events_unpublished", "number", postgresql_where=text("sequence IS NULL")),
        Index("ix_events_due", "next_at", "number", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_events_user_pending",
            "user_id",
            "sequence",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_events_user", "user_id"),
        Index("ix_events_dead", "number", postgresql_where=text("state = 'dead'")),
        Index(
            "ix_events_old",
            "created_at",
            postgresql_where=text("state IN ('kept', 'delivered')"),
        ),
    )


class EventCursor(Table):
    """How far the bot has read: one row, the highest `after` it has ever given."""

    __tablename__ = "event_cursor"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    sequence: Mapped[int] = mapped_column(server_default="0")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("single", "one_row"),)
