"""What brings people in: referrals, reviews, lotteries."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, newest, one_of

REVIEW_STATES = ("seen", "held", "rewarded", "rejected")


class Referral(Table):
    """Who invited whom; created with the invitee and never reassigned."""

    __tablename__ = "referrals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    inviter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    invitee_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), unique=True)
    invitee_paid: Mapped[bool] = mapped_column(server_default="false")
    reward_given: Mapped[bool] = mapped_column(server_default="false")
    reward_tokens: Mapped[Decimal] = mapped_column(server_default="0")
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"), unique=True)
    returned_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("inviter_id <> invitee_id", "not_oneself"),
        CheckConstraint("invitee_paid = (payment_id IS NOT NULL)", "paid_by_a_payment"),
        CheckConstraint("reward_tokens >= 0", "reward_not_negative"),
        Index("ix_referrals_inviter_newest", "inviter_id", newest("number")),
    )


class Review(Table):
    """A message of the review chat; it counts for one user, and a user is rewarded once.

    `held`: somebody else was rewarded for the same words, so it waits for the operator.
    """

    __tablename__ = "reviews"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    chat: Mapped[str]
    message_id: Mapped[int]
    author_telegram_id: Mapped[str | None]
    text_sha256: Mapped[str]
    prose_length: Mapped[int | None]
    state: Mapped[str] = mapped_column(server_default="seen")
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str | None]
    posted_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("state", REVIEW_STATES), "state"),
        CheckConstraint("(state = 'rewarded') = (user_id IS NOT NULL)", "rewarded_has_user"),
        CheckConstraint("prose_length >= 0", "prose_length"),
        UniqueConstraint("chat", "message_id"),
        Index(
            "ix_reviews_rewarded_text",
            "text_sha256",
            postgresql_where=text("state = 'rewarded'"),
        ),
        Index("ix_reviews_state", "state", "number"),
        Index(
            "uq_reviews_user", "user_id", unique=True, postgresql_where=text("user_id IS NOT NULL")
        ),
        Index(
            "ix_reviews_author",
            "author_telegram_id",
            "number",
            postgresql_where=text("state = 'seen'"),
        ),
    )


class Lottery(Table):
    """A raffle over a period; periods do not overlap, so at most one is current.

    The seed is generated and its hash published at creation; the draw uses and reveals it.
    """

    __tablename__ = "lotteries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    title: Mapped[str]
    description: Mapped[str]
    start_date: Mapped[datetime]
    end_date: Mapped[datetime]
    prizes: Mapped[list[dict[str, Any]]]
    seed: Mapped[str]
    seed_hash: Mapped[str]
    entries_hash: Mapped[str | None]
    drawn_at: Mapped[datetime | None]
    canceled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("start_date < end_date", "period"),
        CheckConstraint("(drawn_at IS NULL) = (entries_hash IS NULL)", "drawn_over_entries"),
        CheckConstraint("drawn_at IS NULL OR canceled_at IS NULL", "drawn_or_canceled"),
        CheckConstraint("drawn_at >= end_date", "drawn_after_end"),
        ExcludeConstraint(
            (func.tstzrange(text("start_date"), text("end_date")), "&&"),
            name="one_current",
            where=text("canceled_at IS NULL"),
        ),
        Index(
            "ix_lotteries_undrawn",
            "end_date",
            postgresql_where=text("drawn_at IS NULL AND canceled_at IS NULL"),
        ),
    )


class LotteryEntry(Table):
    """A user's entry in a lottery: published links and people invited while it ran."""

    __tablename__ = "lottery_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    lottery_id: Mapped[UUID] = mapped_column(ForeignKey("lotteries.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    referral_count: Mapped[int] = mapped_column(server_default="0")
    social_links: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    reward_given: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("referral_count >= 0", "referrals_not_negative"),
        CheckConstraint("jsonb_array_length(social_links) <= 20", "links_bounded"),
        UniqueConstraint("lottery_id", "user_id"),
        Index("ix_lottery_entries_user", "user_id"),
    )


class LotteryWinner(Table):
    """A prize that went to an entry; `round` above 1 only by a redraw with its reason."""

    __tablename__ = "lottery_winners"

    lottery_id: Mapped[UUID] = mapped_column(ForeignKey("lotteries.id"), primary_key=True)
    round: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default="1")
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("lottery_entries.id"))
    prize: Mapped[str]
    tokens: Mapped[Decimal] = mapped_column(server_default="0")
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("place >= 1 AND tokens >= 0", "values"),
        CheckConstraint("(round = 1) = (reason IS NULL)", "redraw_says_why"),
        UniqueConstraint("lottery_id", "entry_id", "round"),
        Index("ix_lottery_winners_entry", "entry_id"),
    )
