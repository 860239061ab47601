"""What brings people in: referrals, reviews, lotteries."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple
from uuid import UUID

from db.rows.ids import Id


class ReferralRow(NamedTuple, Generic[Id]):
    """Who invited whom: see db.models.Referral."""

    id: Id
    number: int
    inviter_id: Id
    invitee_id: Id
    invitee_paid: bool
    reward_given: bool
    created_at: datetime


class ReviewRow(NamedTuple):
    """A message of the review chat: see db.models.Review."""

    id: UUID
    number: int
    chat: str
    message_id: int
    author_telegram_id: str | None
    prose_length: int | None
    state: str
    user_id: UUID | None
    note: str | None
    posted_at: datetime
    created_at: datetime


class LotteryRow(NamedTuple):
    """A lottery: see db.models.Lottery."""

    id: UUID
    number: int
    title: str
    description: str
    start_date: datetime
    end_date: datetime
    prizes: list[dict[str, Any]]
    seed: str
    seed_hash: str
    entries_hash: str | None
    drawn_at: datetime | None
    canceled_at: datetime | None
    created_at: datetime


class LotteryEntryRow(NamedTuple):
    """A user's entry in a lottery: see db.models.LotteryEntry."""

    id: UUID
    lottery_id: UUID
    user_id: UUID
    referral_count: int
    social_links: list[str]
    reward_given: bool
    created_at: datetime


class LotteryWinnerRow(NamedTuple):
    """What an entry has won: see db.models.LotteryWinner."""

    lottery_id: UUID
    round: int
    place: int
    entry_id: UUID
    prize: str
    tokens: Decimal
    reason: str | None
