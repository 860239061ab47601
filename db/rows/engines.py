"""Engines of providers, and what was ordered from them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class EngineRow(NamedTuple):
    """An engine, its limits and its breaker: see db.models.Engine."""

    name: str
    max_in_flight: int
    creates_per_minute: int
    daily_cost: Decimal | None
    currency: str
    open_until: datetime | None
    open_code: str | None
    open_detail: str
    trips: int
    recent: str


class GenerationAttemptRow(NamedTuple):
    """An order at a provider, for the operator: see db.models.GenerationAttempt."""

    job_id: UUID
    input_index: int
    engine: str
    external_id: str | None
    state: str
    charged: str
    cost_estimate: Decimal
    cost_actual: Decimal | None
    currency: str
    trouble: str | None
    error_code: str | None
    error_detail: str | None
    created_at: datetime
