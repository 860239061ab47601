"""Generation models: what customers can choose from, and what the operator makes of them.

A model of the embedded engine has no recipe. The recipe of any other one is JSON:

    model      its name at the provider
    template   the input of a run; {photo}, {prompt} and {seed} are filled in
    version, extra, output, measure, expected   see providers.engine.remote.Recipe and Price
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement
from db.models import EMBEDDED, GenerationModel
from errors import ApiError
from services import engines

WISH = "{wish}"


def offered(reader: Reader) -> list[Record]:
    """Models that can be ordered now: by service, the default first, then by price."""
    rows = _ACTIVE.all(reader)
    return [row for row in rows if is_connected(row.engine)]


def is_connected(engine: str) -> bool:
    """Whether an engine can be used: the embedded one always, others with a key in the settings."""
    return engine == EMBEDDED or settings.engine_configured(settings.load(), engine)


def require_offered(terms: Record, service_type: str, *, chosen: bool) -> None:
    """Check the model of an order: `terms` has its model_id, or None where there is none,
    model_active, model_service_type and engine.

    ApiError `model_not_found`, `model_not_offered`; without a choice `service_unavailable_now`.
    """
    if terms.model_id is None:
        raise ApiError("model_not_found" if chosen else "service_unavailable_now")
    if terms.model_service_type != service_type:
        why = f"is a model for {terms.model_service_type}"
    elif not terms.model_active:
        why = "is not on offer"
    elif not is_connected(terms.engine):
        why = "has an engine that is not connected"
    else:
        return
    if not chosen:
        raise ApiError("service_unavailable_now")
    raise ApiError("model_not_offered", details={"modelId": why})


def takes_wish(template: str) -> bool:
    """Whether a model's prompt has a place for the customer's wish."""
    return WISH in template


def prompt(template: str, wish: str | None) -> str:
    """The text for a model, with the customer's wish where its template takes one."""
    return " ".join(template.replace(WISH, wish or "").split())


def all_models(session: Session) -> list[GenerationModel]:
    """Every model, by service; the one that makes its orders first."""
    query = select(GenerationModel).order_by(
        GenerationModel.service_type, GenerationModel.is_default.desc(), GenerationModel.name
    )
    return list(session.scalars(query))


def find(session: Session, name: str) -> GenerationModel:
    """The model with this name. ValueError when there is none."""
    found = session.scalar(select(GenerationModel).where(GenerationModel.name == name))
    if found is None:
        raise ValueError("there is no such model")
    return found


def add(session: Session, **columns: Any) -> None:
    """Add a model. ValueError when the name is taken, or the cost is in a wrong currency."""
    if session.scalar(select(GenerationModel.id).where(GenerationModel.name == columns["name"])):
        raise ValueError("there is a model of this name")
    model = GenerationModel(**columns)
    _require_possible(session, model)
    session.add(model)


def change(session: Session, name: str, **columns: Any) -> GenerationModel:
    """Change a model; orders keep the price they were made at, and attempts their recipe.

    A new default takes the place of its service's old one; a model that is not active cannot be
    the default. ValueError when there is no such model, its engine is not connected, or its cost
    is in another currency than the engine's or over the limit for one job.
    """
    service = select(GenerationModel.service_type).where(GenerationModel.name == name)
    # All of the service, in one order: two operators may choose a default at the same time.
    models = session.scalars(
        select(GenerationModel)
        .where(GenerationModel.service_type == service.scalar_subquery())
        .order_by(GenerationModel.id)
        .with_for_update()
    ).all()
    model = next((each for each in models if each.name == name), None)
    if model is None:
        raise ValueError("there is no such model")
    if columns.get("active") and not is_connected(model.engine):
        raise ValueError(f"engine {model.engine} is not connected: set its key first")
    if columns.get("is_default"):
        for each in models:
            each.is_default = False
        session.flush()  # there must never be two
    for column, value in columns.items():
        setattr(model, column, value)
    _require_possible(session, model)
    return model


def stand_ins(reader: Reader, service_type: str) -> list[Record]:
    """Active models that may take over from another one of their service, in their order.

    Each with id, name, engine, recipe, run_cost and run_currency; only of connected engines.
    """
    rows = _STAND_INS.all(reader, service_type=service_type)
    return [row for row in rows if is_connected(row.engine)]


def _require_possible(session: Session, model: GenerationModel) -> None:
    """Limits count a model's cost in its engine's currency, and must leave room for one run."""
    currency = engines.currency(session, model.engine)
    if currency is None:
        return
    if model.run_currency != currency:
        raise ValueError(f"{model.engine} is paid in {currency}, not in {model.run_currency}")
    limit = engines.cost_limits().get(currency)
    if model.active and limit is not None and model.run_cost > limit:
        raise ValueError(f"a run costs more than JOB_COST_LIMIT_{currency}, which is {limit}")


_ACTIVE = Statement(
    select(*GenerationModel.columns())
    .where(GenerationModel.active)
    .order_by(
        GenerationModel.service_type,
        GenerationModel.is_default.desc(),
        GenerationModel.price_tokens,
        GenerationModel.name,
    )
)
_STAND_INS = Statement(
    select(
        GenerationModel.id,
        GenerationModel.name,
        GenerationModel.engine,
        GenerationModel.recipe,
        GenerationModel.run_cost,
        GenerationModel.run_currency,
    )
    .where(
        GenerationModel.active,
        GenerationModel.service_type == bindparam("service_type"),
        GenerationModel.fallback_position.is_not(None),
    )
    .order_by(GenerationModel.fallback_position, GenerationModel.name)
)
