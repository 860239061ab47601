"""Orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple
from uuid import UUID

from db.rows.ids import Id


class JobRow(NamedTuple, Generic[Id]):
    """What is shown of an order: see db.models.Job. result_*: of its file, None before it is done.
    spendable_tokens: what its user has, None where nobody asks.

    What rules change is the locked object itself.
    """

    id: Id
    number: int
    user_id: Id
    model_id: Id
    engine: str
    service_type: str
    status: str
    client_ref: str | None
    price_tokens: Decimal
    price_rub: Decimal
    tokens_reserved: Decimal
    tokens_consumed: Decimal
    photos: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    progress: int
    meta: dict[str, Any]
    attempt: int
    run_at: datetime
    created_at: datetime
    updated_at: datetime
    result_status: str | None = None
    result_key: str | None = None
    result_content_type: str | None = None
    spendable_tokens: Decimal | None = None


class ListedJob(NamedTuple):
    """A line of the operator's lists of orders: see db.models.Job. error_code: why it failed."""

    id: UUID
    number: int
    user_id: UUID
    engine: str
    service_type: str
    status: str
    price_tokens: Decimal
    photos: int
    attempt: int
    worker: str | None
    created_at: datetime
    finished_at: datetime | None
    request_id: str | None
    error_code: str | None
