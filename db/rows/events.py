"""What the bot is told."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class EventRow(NamedTuple):
    """An event: see db.models.Event."""

    id: UUID
    number: int
    sequence: int | None
    type: str
    user_id: UUID | None
    telegram_id: str | None
    balance_tokens: Decimal | None
    client_ref: str | None
    body: dict[str, Any]
    created_at: datetime
    state: str
    attempt: int
    attempts_before: int
    next_at: datetime | None
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
