"""The first page: how the business and the machines are, each number with the list behind it."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, current_app, g, render_template, url_for
from flask.typing import ResponseReturnValue

from console import access, texts
from console.access import allowed
from console.display import amount, on
from console.permissions import Permission, may
from db import browsing
from db.types import now
from services import days, figures, overview
from services.attention import MOST, Signal
from services.figures import Revenue
from services.overview import Overview

pages = Blueprint("home", __name__)


@pages.get("/")
@allowed(Permission.FIGURES_READ)
def shown() -> ResponseReturnValue:
    """The overview."""
    with browsing() as session:
        found = overview.read(session, now=now())
    return render_template(
        "home/home.html",
        found=found,
        addresses={each.name: _address(each) for each in found.signals},
        counts={each.name: f"{MOST}+" if each.is_more else str(each.n) for each in found.signals},
        charts=_charts(found),
        payments=_payments_of,
        failures=_orders_failed_with,
    )


def _address(signal: Signal) -> str | None:
    """The list that shows exactly what a signal counts, for whoever may see it."""
    return _list(signal.page, **signal.filters)


def _payments_of(row: Revenue) -> str | None:
    first = days.last(days.of(now()), row.days)[0]
    provider = {} if row.provider == figures.ALL else {"provider": row.provider}
    return _list("payments", since=str(first), **provider)


def _orders_failed_with(code: str) -> str | None:
    return _list("jobs", status="failed", error=code)


def _list(noun: str, **filters: Any) -> str | None:
    endpoint = f"{noun}.listed"
    needed = access.rule_of(current_app.view_functions[endpoint]).permission
    if needed is not None and not may(g.operator.role, needed):
        return None
    return url_for(endpoint, **filters)


def _charts(found: Overview) -> dict[str, Any]:
    """What the charts draw, and the same as rows of a table."""
    return {
        "revenue": {
            "days": [_seconds(day) for day in found.days],
            "unit": "₽",
            "series": [
                {"label": texts.named(name, "provider"), "values": [float(rub) for rub in values]}
                for name, values in found.daily_rub.items()
            ],
        },
        "revenue_head": [texts.named(name, "provider") for name in found.daily_rub],
        "revenue_rows": [
            [
                on(day),
                *(amount(rub[index]) for rub in found.daily_rub.values()),
            ]
            for index, day in reversed(list(enumerate(found.days)))
        ],
        "people": {
            "days": [_seconds(each.registered_on) for each in found.cohorts],
            "series": [
                {"label": title, "values": [getattr(each, step) for each in found.cohorts]}
                for step, title in texts.NAMES["step"].items()
            ],
        },
        "people_rows": [
            [on(c.registered_on), c.registered, c.photo, c.order, c.payment]
            for c in reversed(found.cohorts)
        ],
    }


def _seconds(day: date) -> int:
    return int(days.bounds(day)[0].timestamp())
