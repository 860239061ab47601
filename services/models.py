"""Generation models: what customers can choose from, and what the operator makes of them.

A model of the embedded engine has no recipe. The recipe of any other one is JSON:

    model      its name at the provider
    template   the input of a run; {photo}, {prompt} and {seed} are filled in
    version, extra, output, measure, expected   see providers.engine.remote.Recipe and Price
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement
from db.models import EMBEDDED, GenerationModel
from db.rows import GenerationModelRow
from errors import ApiError
from services import engines, versions

WISH = "{wish}"


class Terms(NamedTuple):
    """What decides an order and its price: of the user, of the model, of the files.

    files: status and type by id. Without a model_id there is no such model, and nothing of it,
    whatever the types say. number: of the order, taken even if it is then refused; ordered_at: by
    the database's clock.
    """

    balance_tokens: Decimal
    consent_pd: bool
    banned_at: datetime | None
    model_id: UUID | None
    engine: str
    model_active: bool
    model_service_type: str
    price_tokens: Decimal
    price_rub: Decimal
    files: dict[str, list[str]] | None
    number: int
    ordered_at: datetime


class ModelColumns(TypedDict, total=False):
    """What the operator decides about a model; see db.models.GenerationModel."""

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


def offered(reader: Reader) -> list[GenerationModelRow]:
    """Models that can be ordered now: by service, the default first, then by price."""
    rows = _active.all(reader)
    return [row for row in rows if is_connected(row.engine)]


def is_connected(engine: str) -> bool:
    """Whether an engine can be used: the embedded one always, others with a key in the settings."""
    return engine == EMBEDDED or settings.engine_configured(settings.load(), engine)


def require_offered(terms: Terms, service_type: str, *, chosen: bool) -> UUID:
    """The id of the model of an order, if it may be ordered.

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
        return terms.model_id
    if not chosen:
        raise ApiError("service_unavailable_now")
    raise ApiError("model_not_offered", details={"modelId": why})


def takes_wish(template: str) -> bool:
    """Whether a model's prompt has a place for the customer's wish."""
    return WISH in template


def prompt(template: str, wish: str | None) -> str:
    """The text for a model, with the customer's wish where its template takes one."""
    return " ".join(template.replace(WISH, wish or "").split())


def all_models(reader: Reader) -> list[GenerationModelRow]:
    """Every model, by service; the one that makes its orders first."""
    return _all.all(reader)


def find(reader: Reader, name: str) -> GenerationModelRow:
    """The model with this name. ValueError when there is none."""
    found = _by_name.one_or_none(reader, name)
    if found is None:
        raise ValueError("there is no such model")
    return found


def add(session: Session, name: str, **columns: Unpack[ModelColumns]) -> None:
    """Add a model. ValueError when the name is taken, or the cost is in a wrong currency."""
    if session.scalar(select(GenerationModel.id).where(GenerationModel.name == name)):
        raise ValueError("there is a model of this name")
    model = GenerationModel(name=name, **columns)
    _require_possible(session, model)
    session.add(model)


def change(
    session: Session, name: str, *, seen: str | None = None, **columns: Unpack[ModelColumns]
) -> GenerationModelRow:
    """Change a model; orders keep the price they were made at, and attempts their recipe.

    A new default takes the place of its service's old one; a model that is not active cannot be
    the default. ValueError when there is no such model, it is not the one that was `seen` (see
    services/versions.py), its engine is not connected, or its cost is in another currency than the
    engine's or over the limit for one job.
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
    versions.require(find(session, name), seen)
    if columns.get("active") and not is_connected(model.engine):
        raise ValueError(f"engine {model.engine} is not connected: set its key first")
    if columns.get("is_default"):
        for each in models:
            each.is_default = False
        session.flush()  # there must never be two
    for column, value in columns.items():
        setattr(model, column, value)
    _require_possible(session, model)
    return find(session, name)


def stand_ins(reader: Reader, service_type: str) -> list[GenerationModelRow]:
    """Active models that may take over from another one of their service, in their order.

    Only of connected engines.
    """
    rows = _stand_ins.all(reader, service_type)
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


@statement(GenerationModelRow)
def _active() -> Query:
    return (
        select(*GenerationModel.columns(GenerationModelRow))
        .where(GenerationModel.active)
        .order_by(
            GenerationModel.service_type,
            GenerationModel.is_default.desc(),
            GenerationModel.price_tokens,
            GenerationModel.name,
        )
    )


@statement(GenerationModelRow)
def _all() -> Query:
    return select(*GenerationModel.columns(GenerationModelRow)).order_by(
        GenerationModel.service_type, GenerationModel.is_default.desc(), GenerationModel.name
    )


@statement(GenerationModelRow)
def _by_name(name: str) -> Query:
    return select(*GenerationModel.columns(GenerationModelRow)).where(GenerationModel.name == name)


@statement(GenerationModelRow)
def _stand_ins(service_type: str) -> Query:
    return (
        select(*GenerationModel.columns(GenerationModelRow))
        .where(
            GenerationModel.active,
            GenerationModel.service_type == service_type,
            GenerationModel.fallback_position.is_not(None),
        )
        .order_by(GenerationModel.fallback_position, GenerationModel.name)
    )
