"""Runs at providers that no order knows, as after a restore: they are paid for all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from db import reading, snapshot
from db.rows import GenerationModelRow
from db.types import now
from providers import registry
from providers.engine.remote import Problem
from providers.engine.remote.recipes import Recipe
from services import attempts, models
from workflows import steps

CLOCKS = timedelta(minutes=5)  # ours and theirs, and the time from an attempt to its run


def unknown(since: datetime) -> Iterator[tuple[str, str, str]]:
    """Engine, model and external id of each run since then that no attempt of ours has; where the
    list of an engine breaks off, why in place of the id.
    """
    with snapshot() as session:
        sold = models.all_models(session)
    asked = set[tuple[str, str]]()
    for model in sold:
        recipe = _recipe(model)
        if recipe is None or (model.engine, recipe.model) in asked:
            continue
        asked.add((model.engine, recipe.model))
        for found in _runs(model.engine, recipe, since):
            yield model.engine, recipe.model, found


def _recipe(model: GenerationModelRow) -> Recipe | None:
    """How a model is run; None for one of the embedded engine, or of one that is not connected."""
    if model.recipe is None or not models.is_connected(model.engine):
        return None
    return steps.recipe(
        model.recipe,
        service_type=model.service_type,
        run_cost=model.run_cost,
        currency=model.run_currency,
    )


def _runs(engine: str, recipe: Recipe, since: datetime) -> Iterator[str]:
    with reading() as reader:
        ours = attempts.ids_since(reader, engine, since - CLOCKS)
    for found in registry.remote_engine(engine).list_runs(recipe, since, now()):
        if isinstance(found, Problem):
            yield f"cannot be listed: {found.code} {found.detail}".strip()
        elif found not in ours:
            yield found
