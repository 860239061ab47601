"""What people ask the operator for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of

SUPPORT_TOPICS = ("refund", "help")
SUPPORT_STATUSES = ("open", "closed")


class SupportRequest(Table):
    """A refund or help asked for through the bot. `answer` is the operator's, when it was closed.

    The payment and the order are the user's own: services/support.py checks it.
    """

    __tablename__ = "support_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    topic: Mapped[str]
    message: Mapped[str]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    client_ref: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="open")
    answer: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("topic", SUPPORT_TOPICS), "topic"),
        CheckConstraint(one_of("status", SUPPORT_STATUSES), "status"),
        CheckConstraint("char_length(message) BETWEEN 1 AND 2000", "message"),
        CheckConstraint("char_length(client_ref) <= 200", "client_ref"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", "closed_at_when_closed"),
        Index("ix_support_requests_user", "user_id", "created_at"),
        Index("ix_support_requests_open", "number", postgresql_where=text("status = 'open'")),
        Index(
            "ix_support_requests_closed", "closed_at", postgresql_where=text("status = 'closed'")
        ),
    )
