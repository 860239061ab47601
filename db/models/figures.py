"""Figures of each day, kept so that no page has to add up the ledger, and proofs of the books."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Date, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import Table, newest, one_of
from db.types import Cost

FIGURE_KINDS = (
    *("paid", "returned", "moved"),
    *("done", "failed", "engine_seconds", "engine_cost"),
    *("wait_p50", "wait_p95", "work_p50", "work_p95"),
)
STEPS = ("registered", "photo", "order", "payment")
CHECK_SUBJECTS = ("ledger", "figures")


class DailyFigure(Table):
    """What happened on a day of services/days.py: written and rewritten by the worker's duty.

    What each kind counts, and by which dimension, is in services/day_figures.py.
    """

    __tablename__ = "daily_figures"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    rub: Mapped[Decimal] = mapped_column(server_default="0")
    tokens: Mapped[Decimal] = mapped_column(server_default="0")
    cost: Mapped[Decimal] = mapped_column(Cost, server_default="0")

    __table_args__ = (
        CheckConstraint(one_of("kind", FIGURE_KINDS), "kind"),
        Index("ix_daily_figures_kind", "kind", "day"),
    )


class CohortFigure(Table):
    """How many of those who registered on one day took a step for the first time on another."""

    __tablename__ = "cohort_figures"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    registered_on: Mapped[date] = mapped_column(Date, primary_key=True)
    people: Mapped[int]

    __table_args__ = (
        CheckConstraint(one_of("step", STEPS), "step"),
        Index("ix_cohort_figures_registered", "registered_on"),
    )


class FigureDay(Table):
    """When the figures of a day were last computed."""

    __tablename__ = "figure_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    computed_at: Mapped[datetime]


class Check(Table):
    """A proof of the books or of the figures: how long it took, what it looked at, what is wrong.

    violations: rule -> what breaks it, only of rules that are broken.
    """

    __tablename__ = "checks"

    number: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    subject: Mapped[str]
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    milliseconds: Mapped[int]
    rows: Mapped[int]
    violations: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))

    __table_args__ = (
        CheckConstraint(one_of("subject", CHECK_SUBJECTS), "subject"),
        CheckConstraint("milliseconds >= 0 AND rows >= 0", "counts"),
        Index("ix_checks_newest", "subject", newest("number")),
    )


class AskedCheck(Table):
    """A check that somebody asked for; a worker makes it."""

    __tablename__ = "asked_checks"

    subject: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint(one_of("subject", CHECK_SUBJECTS), "subject"),)
