"""Movements of tokens, and requests that are answered once for their key."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple
from uuid import UUID

from db.rows.ids import Id


class TransactionRow(NamedTuple, Generic[Id]):
    """A row of the ledger: see db.models.Transaction."""

    id: Id
    number: int
    user_id: Id
    job_id: Id | None
    type: str
    status: str
    provider: str | None
    amount_rub: Decimal | None
    tokens_delta: Decimal
    balance_after: Decimal | None
    currency: str | None
    plan: str | None
    reference: str | None
    meta: dict[str, Any]
    created_at: datetime


class IdempotencyKeyRow(NamedTuple):
    """A request with a key, and its answer once it has one: see db.models.IdempotencyKey."""

    fingerprint: str
    payment_id: UUID | None
    status: int | None
    body: dict[str, Any] | None
