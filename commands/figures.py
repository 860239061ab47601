"""Figures of the business."""

from __future__ import annotations

from datetime import datetime

import click

from commands.ledger import report
from commands.shapes import table
from db import reading, transaction
from db.types import now
from services import checks, day_figures, days, figures
from services.audit import Entry
from workflows.actions import announced


@click.group("figures")
def figures_group() -> None:
    """Revenue, the way to a payment, tokens owed, cost of engines; by days of Moscow."""


@figures_group.command("show")
@click.option("--days", "count", type=click.IntRange(1, 366), default=7, show_default=True)
def show(count: int) -> None:
    """The last days, today included; as fresh as the worker's duty, a minute."""
    today = days.of(now())
    with reading() as reader:
        revenue = figures.revenue(reader, today=today)
        cohorts = figures.cohorts(reader, today=today, count=count)
        margin = figures.margin(reader, today=today, count=count)
        owed = figures.tokens_owed(reader)
    table(
        ("days", "provider", "payments", "paid", "returned", "rub", "before"),
        (
            (r.days, r.provider, r.payments, r.paid_rub, r.returned_rub, r.rub, r.before_rub)
            for r in revenue
        ),
    )
    click.echo()
    table(
        ("registered on", "people", "photo", "order", "payment"),
        ((c.registered_on, c.registered, c.photo, c.order, c.payment) for c in cohorts),
    )
    click.echo(
        f"\n{owed} tokens owed; {margin.orders} orders in {count} days: {margin.revenue_rub} rub"
        f" revenue, {margin.engines_rub} rub to providers, {margin.own_rub} rub for our own engine"
    )


@figures_group.command("rebuild")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True)
def rebuild(since: datetime) -> None:
    """Compute the figures of all days again, from SINCE on; they are shown meanwhile."""
    today, day = days.of(now()), since.date()
    with announced(Entry("figures.rebuild", after={"since": day, "until": today})):
        while day <= today:
            with transaction() as session:
                day_figures.compute(session, day, now=now(), wait=True)
            day += days.ONE
    click.echo(f"{since.date()} to {today} computed")


@figures_group.command("check")
def check() -> None:
    """Compare the last days with their rows, and all days with the ledger; exit code 1 if wrong."""
    report(checks.FIGURES)
