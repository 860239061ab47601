"""What the figures of many days say: revenue, the way from registering to paying, tokens owed, the
cost of engines. Only the rollups of services/day_figures.py are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Select, func, select

import settings
from db import Query, Reader, scalar, statement
from db.models import STEPS, CohortFigure, DailyFigure
from services import days

NOTHING = Decimal(0)
PERIODS = (1, 7, 30)  # days up to and including today
ALL = "all"  # providers
# Kinds that tell money, and those that tell what it cost to earn it.
MONEY = ("paid", "returned")
COSTS = ("done", "engine_seconds", "engine_cost")
TIMES = ("wait_p50", "wait_p95", "work_p50", "work_p95")


class DayFigure(NamedTuple):
    """A row of daily_figures."""

    day: date
    kind: str
    dimension: str
    n: int
    rub: Decimal
    tokens: Decimal
    cost: Decimal


@dataclass(frozen=True)
class Revenue:
    """Rubles that a provider took in a period, minus those that went back in it.

    payments: how many were paid. before_rub: the same rubles of the period before.
    """

    days: int
    provider: str
    payments: int
    paid_rub: Decimal
    returned_rub: Decimal
    before_rub: Decimal

    @property
    def rub(self) -> Decimal:
        """What is left."""
        return self.paid_rub - self.returned_rub


@dataclass(frozen=True)
class Cohort:
    """Those who registered on a day, or in a period: how many went how far until today."""

    registered_on: date
    registered: int = 0
    photo: int = 0
    order: int = 0
    payment: int = 0


@dataclass(frozen=True)
class Margin:
    """What the orders of a period earned and cost, in rubles.

    engines_rub: bills of providers, dollars at RUB_PER_USD. own_rub: seconds of our own engine at
    ENGINE_SECOND_RUB.
    """

    orders: int
    revenue_rub: Decimal
    engines_rub: Decimal
    own_rub: Decimal

    @property
    def cost_rub(self) -> Decimal:
        """All that the engines cost."""
        return self.engines_rub + self.own_rub

    def per_order(self, rub: Decimal) -> Decimal | None:
        """A share of an order; None without any."""
        return round(rub / self.orders, 2) if self.orders else None


def of_kinds(reader: Reader, kinds: Iterable[str], *, since: date) -> list[DayFigure]:
    """The figures of these kinds, since a day, the oldest first."""
    return _of_kinds.all(reader, list(kinds), since)


def revenue(reader: Reader, *, today: date) -> list[Revenue]:
    """By period of PERIODS and provider, with the period before each; last of each period all of
    them together, where there are several.
    """
    rows = of_kinds(reader, MONEY, since=today - days.ONE * (2 * max(PERIODS) - 1))
    providers = sorted({row.dimension for row in rows})
    shown = [*providers, ALL] if len(providers) > 1 else providers
    return [
        _revenue(rows, provider, today=today, length=length)
        for length in PERIODS
        for provider in shown
    ]


def cohorts(reader: Reader, *, today: date, count: int) -> list[Cohort]:
    """Those who registered on each of the last `count` days, the oldest first."""
    found: dict[date, dict[str, int]] = defaultdict(dict)
    for registered_on, step, people in _cohorts.all(reader, days.last(today, count)[0]):
        found[registered_on][step] = people
    return [Cohort(day, **found[day]) for day in days.last(today, count)]


def together(cohorts: list[Cohort]) -> Cohort:
    """All of these as one, from the first day on."""
    sums = {step: sum(getattr(each, step) for each in cohorts) for step in STEPS}
    return Cohort(cohorts[0].registered_on, **sums)


def tokens_owed(reader: Reader) -> Decimal:
    """Tokens that people may still spend: all that the ledger ever moved."""
    return _moved(reader) or NOTHING


def margin(reader: Reader, *, today: date, count: int) -> Margin:
    """Of the orders that were done in the last `count` days."""
    first = days.last(today, count)[0]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    current = settings.load()
    for row in of_kinds(reader, (*MONEY, *COSTS), since=first):
        sums[row.kind] += row.rub if row.kind in MONEY else row.n
        if row.kind == "engine_cost":
            in_dollars = row.dimension.endswith(" USD")
            sums["engines"] += row.cost * (current.rub_per_usd if in_dollars else 1)
    return Margin(
        orders=int(sums["done"]),
        revenue_rub=sums["paid"] - sums["returned"],
        engines_rub=round(sums["engines"], 2),
        own_rub=round(sums["engine_seconds"] * current.engine_second_rub, 2),
    )


def _revenue(rows: list[DayFigure], provider: str, *, today: date, length: int) -> Revenue:
    mine = [row for row in rows if provider in (row.dimension, ALL)]
    start = today - days.ONE * (length - 1)
    now = [row for row in mine if row.day >= start]
    before = [row for row in mine if start - days.ONE * length <= row.day < start]
    paid = [row for row in now if row.kind == "paid"]
    return Revenue(
        days=length,
        provider=provider,
        payments=sum(row.n for row in paid),
        paid_rub=sum((row.rub for row in paid), NOTHING),
        returned_rub=sum((row.rub for row in now if row.kind == "returned"), NOTHING),
        before_rub=sum((_signed(row) for row in before), NOTHING),
    )


def _signed(row: DayFigure) -> Decimal:
    return -row.rub if row.kind == "returned" else row.rub


class _StepOfDay(NamedTuple):
    registered_on: date
    step: str
    people: int


@statement(DayFigure)
def _of_kinds(kinds: list[str], since: date) -> Query:
    return (
        select(*DailyFigure.columns(DayFigure))
        .where(DailyFigure.kind == func.any(kinds), DailyFigure.day >= since)
        .order_by(DailyFigure.day, DailyFigure.kind, DailyFigure.dimension)
    )


@statement(_StepOfDay)
def _cohorts(since: date) -> Query:
    return (
        select(
            CohortFigure.registered_on,
            CohortFigure.step,
            func.sum(CohortFigure.people).label("people"),
        )
        .where(CohortFigure.registered_on >= since)
        .group_by(CohortFigure.registered_on, CohortFigure.step)
    )


@scalar
def _moved() -> Select[Decimal]:
    return select(func.sum(DailyFigure.tokens, type_=DailyFigure.tokens.type)).where(
        DailyFigure.kind == "moved"
    )
