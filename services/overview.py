"""The first page of the operator's console: how the business and the machines are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from db import Reader
from services import attention, days, figures
from services.attention import Failures, Signal
from services.figures import Cohort, Margin, Revenue

MONTH = 30  # days of the charts, of the cohorts, of the margin


@dataclass(frozen=True)
class Times:
    """How long the orders of a service waited for a worker, and how long work on them took."""

    day: date
    service: str
    wait_p50: timedelta
    wait_p95: timedelta
    work_p50: timedelta
    work_p95: timedelta


@dataclass(frozen=True)
class Overview:
    """Everything that the page shows.

    daily_rub: what was left of each of `days`, by provider. people: those who registered in these
    days, together. times: of today and yesterday.
    """

    signals: list[Signal]
    failures: list[Failures]
    revenue: list[Revenue]
    days: list[date]
    daily_rub: dict[str, list[Decimal]]
    cohorts: list[Cohort]
    people: Cohort
    tokens_owed: Decimal
    margin: Margin
    times: list[Times]


def read(reader: Reader, *, now: datetime) -> Overview:
    """The overview at this moment; figures of days are a minute old."""
    today = days.of(now)
    cohorts = figures.cohorts(reader, today=today, count=MONTH)
    shown = days.last(today, MONTH)
    return Overview(
        signals=attention.signals(reader, now=now),
        failures=attention.failures(reader, now=now),
        revenue=figures.revenue(reader, today=today),
        days=shown,
        daily_rub=_daily_rub(reader, shown),
        cohorts=cohorts,
        people=figures.together(cohorts),
        tokens_owed=figures.tokens_owed(reader),
        margin=figures.margin(reader, today=today, count=MONTH),
        times=_times(reader, today),
    )


def _daily_rub(reader: Reader, shown: list[date]) -> dict[str, list[Decimal]]:
    rub: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in figures.of_kinds(reader, figures.MONEY, since=shown[0]):
        rub[row.dimension][row.day] += -row.rub if row.kind == "returned" else row.rub
    return {name: [by_day[day] for day in shown] for name, by_day in sorted(rub.items())}


def _times(reader: Reader, today: date) -> list[Times]:
    found: dict[tuple[date, str], dict[str, timedelta]] = defaultdict(dict)
    for row in figures.of_kinds(reader, figures.TIMES, since=today - days.ONE):
        found[row.day, row.dimension][row.kind] = timedelta(milliseconds=row.n)
    return [
        Times(day, service, *(spans.get(kind, timedelta(0)) for kind in figures.TIMES))
        for (day, service), spans in sorted(found.items(), reverse=True)
    ]
