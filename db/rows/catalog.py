"""What is sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class GenerationModelRow(NamedTuple):
    """What a service costs, and how it is made: see db.models.GenerationModel."""

    id: UUID
    name: str
    service_type: str
    engine: str
    title: str
    description: str
    usual_seconds: int
    recipe: dict[str, Any] | None
    prompt: str
    run_cost: Decimal
    run_currency: str
    max_result_bytes: int
    fallback_position: int | None
    price_tokens: Decimal
    price_rub: Decimal
    active: bool
    is_default: bool
    created_at: datetime


class TariffRow(NamedTuple):
    """A package of tokens at a price: see db.models.Tariff."""

    id: UUID
    name: str
    title: str
    monthly_tokens: int
    cost_rub: Decimal
    currency: str
    active: bool
    position: int
    created_at: datetime
