"""Models go on offer only when a run can be made of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from db.rows import GenerationModelRow
from providers.engine.remote import recipes
from services.models import ModelColumns
from workflows import steps

# An order of ten photos must be an amount, too.
MOST_PRICE = Decimal(900_000)


def require_recipe(model: GenerationModelRow, changes: ModelColumns) -> None:
    """ValueError when no run could be made of a model after these changes."""
    written = changes.get("recipe", model.recipe)
    if written is None:  # the embedded engine needs none
        return
    try:
        check_recipe(written, model.service_type, (model.run_cost, model.run_currency))
    except ValueError as error:
        raise ValueError(f"{model.name} cannot be offered: {error}") from error


def check_recipe(written: dict[str, Any], service: str, cost: tuple[Decimal, str]) -> None:
    """ValueError, KeyError, TypeError... when a text is no recipe of this service."""
    recipes.check(steps.recipe(written, service_type=service, run_cost=cost[0], currency=cost[1]))
