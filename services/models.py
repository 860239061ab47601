"""Generation models: what each service costs, and which model makes an order."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import GenerationModel


def all_models(session: Session) -> list[GenerationModel]:
    """Every model, by service; the one that makes its orders first."""
    query = select(GenerationModel).order_by(
        GenerationModel.service_type, GenerationModel.is_default.desc(), GenerationModel.name
    )
    return list(session.scalars(query))


def change(session: Session, name: str, **columns: Any) -> GenerationModel:
    """Change a model; orders keep the price and the model they were made with.

    A new default takes the place of its service's old one; a model that is not active cannot be
    the default. ValueError when there is no such model.
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
    if columns.get("is_default"):
        for each in models:
            each.is_default = False
        session.flush()  # there must never be two
    for column, value in columns.items():
        setattr(model, column, value)
    return model
