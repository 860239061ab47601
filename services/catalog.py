"""What a new server sells at first: generation models and tariffs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.models import GenerationModel, Tariff

# Prices in tokens and rubles.
MODELS: list[dict[str, Any]] = [
    {
        "name": "animate-standard",
        "service_type": "animate",
        "price_tokens": Decimal(10),
        "price_rub": Decimal(100),
    },
    {
        "name": "restore-standard",
        "service_type": "restore",
        "price_tokens": Decimal(5),
        "price_rub": Decimal(50),
    },
]
TARIFFS: list[dict[str, Any]] = [
    {"name": "start", "title": "Старт: 20 токенов", "monthly_tokens": 20, "cost_rub": Decimal(199)},
    {
        "name": "family",
        "title": "Семья: 60 токенов",
        "monthly_tokens": 60,
        "cost_rub": Decimal(499),
    },
    {
        "name": "archive",
        "title": "Архив: 200 токенов",
        "monthly_tokens": 200,
        "cost_rub": Decimal(1490),
    },
]


ENGINE = "embedded"  # of new models; others are built in providers/instances.py


def seed(session: Session) -> int:
    """Add what is missing by name, change nothing that is there; returns how many were added."""
    models = [{**model, "engine": ENGINE, "active": True, "is_default": True} for model in MODELS]
    tariffs = [{**tariff, "position": place} for place, tariff in enumerate(TARIFFS, start=1)]
    added = 0
    for table, rows in ((GenerationModel, models), (Tariff, tariffs)):
        statement = insert(table).values(rows).on_conflict_do_nothing().returning(table.id)
        added += len(session.scalars(statement).all())
    return added
