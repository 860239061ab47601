"""People."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class UserRow(NamedTuple):
    """A user: see db.models.User."""

    id: UUID
    telegram_id: str
    username: str | None
    anon_user_id: str | None
    email: str | None
    avatar_url: str | None
    balance_tokens: Decimal
    ref_code: str
    referrer_id: UUID | None
    has_left_review: bool
    consent_pd: bool
    consent_pd_at: datetime | None
    consent_version: str | None
    banned_at: datetime | None
    ban_reason: str | None
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None
