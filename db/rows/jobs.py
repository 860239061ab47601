"""Orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple

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
