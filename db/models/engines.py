"""Engines of providers, and what was ordered from them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, one_of
from db.types import Cost

OPEN_STATES = ("preparing", "creating", "unknown", "running", "fetching", "cancelling")
ENDED_STATES = ("done", "failed", "refused", "canceled")
MOST_PAID_ATTEMPTS = 2


class Engine(Table):
    """An engine of a provider: its limits, and its breaker, which all workers share.

    daily_cost: what it may cost us in a day (UTC), in `currency`; NULL is no limit. The breaker is
    open, so that nothing is ordered, until `open_until`, for the reason `open_code`; it closes with
    the next order that is accepted. recent: the last ten outcomes, s(uccess) or f(ailure), newest
    last. trips: how often it opened in a row.
    """

    __tablename__ = "engines"

    name: Mapped[str] = mapped_column(primary_key=True)
    max_in_flight: Mapped[int]
    creates_per_minute: Mapped[int]
    daily_cost: Mapped[Decimal | None] = mapped_column(Cost)
    currency: Mapped[str]
    open_until: Mapped[datetime | None]
    open_code: Mapped[str | None]
    open_detail: Mapped[str] = mapped_column(server_default="")
    trips: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    recent: Mapped[str] = mapped_column(server_default="")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("max_in_flight >= 0 AND creates_per_minute >= 0", "limits"),
        CheckConstraint("daily_cost >= 0", "daily_cost"),
        CheckConstraint("(open_code IS NULL) = (open_until IS NULL)", "breaker"),
        CheckConstraint("recent ~ '^[sf]{0,10}$'", "recent"),
    )


class GenerationAttempt(Table):
    """One order at a provider for one input of a job; committed before anything is ordered.

    model, engine, recipe, prompt and seed do not change any more. number: of the attempts at this
    input. paid_number: the same of those that are paid, freed when it turns out not to be. photo:
    where the provider reads the input. due_at: when a worker looks at it next; whoever does holds
    it until then, as `worker` with the fencing token `claims`. result: the provider's address of
    the file, never shown. looks: how often a lost create was looked for; missing: how many polls in
    a row knew no such run, or how often the child crashed over its result. trouble: why it ended
    without a result; error_code and error_detail: in the provider's words. charged: whether it is
    on our bill.
    """

    __tablename__ = "generation_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    input_index: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    number: Mapped[int] = mapped_column(SmallInteger)
    paid_number: Mapped[int | None] = mapped_column(SmallInteger)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("generation_models.id"))
    engine: Mapped[str] = mapped_column(ForeignKey("engines.name"))
    recipe: Mapped[dict[str, Any]]
    prompt: Mapped[str]
    seed: Mapped[int]
    state: Mapped[str]
    photo: Mapped[str | None]
    external_id: Mapped[str | None]
    result: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    claims: Mapped[int] = mapped_column(server_default="0")
    deadline_at: Mapped[datetime]
    progress: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    looks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    missing: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    trouble: Mapped[str | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]
    cost_estimate: Mapped[Decimal] = mapped_column(Cost)
    cost_actual: Mapped[Decimal | None] = mapped_column(Cost)
    currency: Mapped[str]
    charged: Mapped[str] = mapped_column(server_default="no")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("state", (*OPEN_STATES, *ENDED_STATES)), "state"),
        CheckConstraint(one_of("charged", ("no", "yes", "maybe")), "charged"),
        CheckConstraint(f"({one_of('state', OPEN_STATES)}) = (due_at IS NOT NULL)", "open_is_due"),
        CheckConstraint("(due_at IS NULL) = (ended_at IS NOT NULL)", "ended"),
        CheckConstraint("charged = 'no' OR sent_at IS NOT NULL", "charged_was_sent"),
        CheckConstraint(
            "state NOT IN ('running', 'fetching', 'done') OR external_id IS NOT NULL", "external_id"
        ),
        CheckConstraint(f"paid_number BETWEEN 1 AND {MOST_PAID_ATTEMPTS}", "paid_number"),
        CheckConstraint(
            "charged = 'no' OR cost_estimate = 0 OR paid_number IS NOT NULL", "paid_is_counted"
        ),
        CheckConstraint("progress BETWEEN 0 AND 100", "progress"),
        UniqueConstraint("engine", "external_id"),
        UniqueConstraint("job_id", "input_index", "number"),
        UniqueConstraint("job_id", "input_index", "paid_number"),
        Index(
            "uq_generation_attempts_open",
            "job_id",
            "input_index",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_generation_attempts_due", "due_at", postgresql_where=text("ended_at IS NULL")),
        Index(
            "ix_generation_attempts_in_flight", "engine", postgresql_where=text("ended_at IS NULL")
        ),
        Index(
            "ix_generation_attempts_charged",
            "ended_at",
            postgresql_where=text("charged <> 'no' AND ended_at IS NOT NULL"),
        ),
        Index("ix_generation_attempts_engine", "engine", "created_at"),
    )
