"""What people ask the operator for."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class SupportRequestRow(NamedTuple):
    """A request: see db.models.SupportRequest."""

    id: UUID
    number: int
    user_id: UUID
    topic: str
    message: str
    payment_id: UUID | None
    job_id: UUID | None
    client_ref: str | None
    status: str
    answer: str | None
    created_at: datetime
    closed_at: datetime | None
