"""Users."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table


class User(Table):
    """A Telegram user. `balance_tokens` is what can be spent now; only the ledger changes it.

    `consent_version` is that of the text they agreed to, `email` where receipts go. Who is
    banned orders and pays nothing more; `ban_reason` is the operator's, never shown.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    telegram_id: Mapped[str] = mapped_column(unique=True)
    username: Mapped[str | None]
    anon_user_id: Mapped[str | None]
    email: Mapped[str | None]
    avatar_url: Mapped[str | None]
    balance_tokens: Mapped[Decimal] = mapped_column(server_default="0")
    ledger_seq: Mapped[int] = mapped_column(server_default="0")
    ref_code: Mapped[str] = mapped_column(unique=True)
    referrer_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    has_left_review: Mapped[bool] = mapped_column(server_default="false")
    consent_pd: Mapped[bool] = mapped_column(server_default="false")
    consent_pd_at: Mapped[datetime | None]
    consent_version: Mapped[str | None]
    banned_at: Mapped[datetime | None]
    ban_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("balance_tokens >= 0", "balance_not_negative"),
        CheckConstraint("referrer_id <> id", "not_own_referrer"),
        CheckConstraint("(banned_at IS NULL) = (ban_reason IS NULL)", "ban_says_why"),
        Index(None, "referrer_id", postgresql_where=text("referrer_id IS NOT NULL")),
        Index("ix_users_newest", "created_at", "id"),
        Index(
            "ix_users_banned", "created_at", "id", postgresql_where=text("banned_at IS NOT NULL")
        ),
        Index(
            "ix_users_username",
            func.lower(text("username")).label("prefix"),
            postgresql_ops={"prefix": "text_pattern_ops"},
        ),
    )
