"""What is sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of
from db.types import Cost

SERVICE_TYPES = ("animate", "restore")
EMBEDDED = "embedded"  # the engine that needs no provider


class GenerationModel(Table):
    """What a service costs, and which engine performs it how; one default per service.

    title, description: Russian, for customers. usual_seconds: of one photo, as the operator says;
    measured_seconds: as the last hour has shown, NULL if too few were made. recipe: of a model at a
    provider, how it is run there (services/models.py); prompt: its text, with {wish} where a
    customer's wish goes. run_cost: what a run costs us, in the provider's currency.
    fallback_position: its position among the models of the service that stand in when another one
    fails; NULL never does.
    """

    __tablename__ = "generation_models"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    service_type: Mapped[str]
    engine: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    usual_seconds: Mapped[int] = mapped_column(server_default="30")
    measured_seconds: Mapped[int | None]
    recipe: Mapped[dict[str, Any] | None]
    prompt: Mapped[str] = mapped_column(server_default="")
    run_cost: Mapped[Decimal] = mapped_column(Cost, server_default="0")
    run_currency: Mapped[str] = mapped_column(server_default="USD")
    max_result_bytes: Mapped[int] = mapped_column(server_default="47185920")
    fallback_position: Mapped[int | None] = mapped_column(SmallInteger)
    price_tokens: Mapped[Decimal]
    price_rub: Mapped[Decimal]
    active: Mapped[bool] = mapped_column(server_default="true")
    is_default: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("service_type", SERVICE_TYPES), "service_type"),
        CheckConstraint("price_tokens > 0 AND price_rub > 0", "price_positive"),
        CheckConstraint("active OR NOT is_default", "default_is_active"),
        CheckConstraint(f"(engine = '{EMBEDDED}') = (recipe IS NULL)", "recipe"),
        CheckConstraint(
            "run_cost >= 0 AND usual_seconds > 0 AND max_result_bytes > 0", "run_positive"
        ),
        Index(
            "uq_generation_models_default",
            "service_type",
            unique=True,
            postgresql_where=text("is_default"),
        ),
    )


class Tariff(Table):
    """A package of tokens at a price."""

    __tablename__ = "tariffs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    monthly_tokens: Mapped[int]
    cost_rub: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(server_default="RUB")
    active: Mapped[bool] = mapped_column(server_default="true")
    position: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("monthly_tokens > 0 AND cost_rub > 0", "price_positive"),
        Index("ix_tariffs_offered", "position", "number", postgresql_where=text("active")),
    )
