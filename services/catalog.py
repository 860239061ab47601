"""What a new server sells at first: generation models and tariffs."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.models import EMBEDDED, Engine, GenerationModel, Tariff
from services import animation_models, remote_models, restoration_models

# Prices in tokens and rubles.
MODELS: list[dict[str, Any]] = [
    {
        "name": "animate-standard",
        "title": "Оживление",
        "description": "Взгляд, моргание и лёгкая улыбка: короткое видео, 4 секунды",
        "usual_seconds": 30,
        "service_type": "animate",
        "price_tokens": Decimal(10),
        "price_rub": Decimal(100),
    },
    {
        "name": "restore-standard",
        "title": "Реставрация",
        "description": "Убирает царапины и выцветание, увеличивает снимок вдвое",
        "usual_seconds": 15,
        "service_type": "restore",
        "price_tokens": Decimal(5),
        "price_rub": Decimal(50),
    },
]
REMOTE_MODELS = [*animation_models.MODELS, *restoration_models.MODELS]
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


SIMULATED = "sandbox-"  # begins the names of models whose engine a sandbox simulates


def offer_simulated(session: Session, engines: Collection[str]) -> None:
    """Offer models of engines that a sandbox simulates; those of real ones no more.

    They are copies: the models of the real engines stay as the operator left them.
    """
    models = [
        {
            **model,
            "name": f"{SIMULATED}{model['name']}",
            "title": f"{model['title']} (песочница)",
            "active": True,
        }
        for model in REMOTE_MODELS
        if model["engine"] in engines and model["fallback_position"] is not None
    ]
    was = GenerationModel.name.startswith(SIMULATED)
    session.execute(update(GenerationModel).where(was).values(active=False, is_default=False))
    for model in models:
        statement = insert(GenerationModel).values(model)
        on_offer = statement.on_conflict_do_update(index_elements=["name"], set_={"active": True})
        session.execute(on_offer)


def seed(session: Session) -> int:
    """Add what is missing by name, change nothing that is there; returns how many were added."""
    models = [{**model, "engine": EMBEDDED, "active": True, "is_default": True} for model in MODELS]
    tariffs = [{**tariff, "position": place} for place, tariff in enumerate(TARIFFS, start=1)]
    added = 0
    for table, rows in (
        (Engine, remote_models.engines()),
        (GenerationModel, models),
        (GenerationModel, REMOTE_MODELS),
        (Tariff, tariffs),
    ):
        statement = insert(table).values(rows).on_conflict_do_nothing().returning(table.name)
        added += len(session.scalars(statement).all())
    return added
