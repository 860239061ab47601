"""Engines of providers: whether they are well, what they may cost, and a trial."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

import settings
from commands.shapes import Moment, row_limit, table
from db import snapshot
from db.rows import EngineRow, GenerationAttemptRow
from db.types import now
from providers import registry
from services import attempts, breakers, engines, models
from services.audit import Entry
from services.engines import EngineLimits, Usage
from workflows import engine_runs, engine_trial
from workflows.actions import announced, recorded

ENGINE = click.Choice(settings.ENGINES)


@click.group("engines")
def engines_group() -> None:
    """Engines of providers, beside the built-in one."""


@engines_group.command("list")
def list_engines() -> None:
    """Every engine: whether it is connected, what is in flight, what today has cost."""
    moment = now()
    with snapshot() as session:
        rows = engines.all_engines(session)
        used = {row.name: engines.usage(session, row.name, now=moment) for row in rows}
    table(
        ("engine", "connected", "in flight", "a minute", "today", "takes orders", "why not"),
        (_line(row, used[row.name], moment) for row in rows),
    )


def _line(row: EngineRow, use: Usage, moment: datetime) -> tuple[object, ...]:
    breaker = breakers.of(row)
    closed = breaker.is_open(moment)
    state = "no" if closed else "one, as a trial" if breaker.is_on_trial(moment) else "yes"
    until = f"until {row.open_until:%Y-%m-%d %H:%M} UTC" if row.open_until else ""
    limit = "" if row.daily_cost is None else f" of {row.daily_cost}"
    return (
        row.name,
        models.is_connected(row.name),
        f"{use.in_flight} of {row.max_in_flight}",
        f"{use.last_minute} of {row.creates_per_minute}",
        f"{use.cost_today}{limit} {row.currency}",
        state,
        f"{row.open_code} {until} {row.open_detail}".strip() if row.open_code else "",
    )


@engines_group.command()
def check() -> None:
    """Ask each connected engine whether it would take orders; exit code 1 when one would not."""
    connected = [name for name in settings.ENGINES if models.is_connected(name)]
    troubled = False
    for name in connected:
        health = registry.remote_engine(name).health()
        troubled = troubled or health.problem is not None
        balance = f", {health.balance.amount} {health.balance.currency}" if health.balance else ""
        trouble = health.problem
        said = f"{trouble.trouble}: {trouble.code} {trouble.detail}" if trouble else "well"
        click.echo(f"{name}: {said}{balance}")
    if not connected:
        click.echo("no engine is connected: only the built-in one works")
    sys.exit(troubled)


@engines_group.command("orders")
@click.argument("engine", type=ENGINE)
@click.option("--doubtful", is_flag=True, help="only those that may be charged, for your bill")
@row_limit
def list_orders(engine: str, doubtful: bool, limit: int) -> None:
    """The newest orders at ENGINE, with the provider's ids and words."""
    with snapshot() as session:
        orders_table(attempts.recent(session, engine, doubtful=doubtful, limit=limit))


def orders_table(orders: Iterable[GenerationAttemptRow]) -> None:
    """Print orders at providers, one a line."""
    table(
        ("job", "photo", "engine", "there", "state", "charged", "cost", "created", "why"),
        (
            (
                each.job_id,
                each.input_index + 1,
                each.engine,
                each.external_id,
                each.state,
                each.charged,
                f"{_cost(each)} {each.currency}" if each.charged != "no" else "",
                each.created_at,
                f"{each.trouble or ''} {each.error_code or ''} {each.error_detail or ''}".strip(),
            )
            for each in orders
        ),
    )


def _cost(order: GenerationAttemptRow) -> Decimal:
    return order.cost_estimate if order.cost_actual is None else order.cost_actual


@engines_group.command()
@click.option("--since", type=Moment(), required=True, help="the moment a restore went back to")
def runs(since: datetime) -> None:
    """Runs since then that are paid for and that no order knows; trials are among them."""
    table(("engine", "model", "run"), engine_runs.unknown(since))


@engines_group.command("try")
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", required=True, help="its name, on offer or not")
@click.option("--wish", default="", help="what a customer would add")
@click.option("--to", type=click.Path(path_type=Path), required=True, help="file for the result")
@click.option("--yes", is_flag=True, help="do not ask: it costs what a run costs")
def try_model(photo: Path, model: str, wish: str, to: Path, yes: bool) -> None:
    """Make one run of a model for PHOTO at our expense, and save the result."""
    with snapshot() as session:
        chosen = models.find(session, model)
    if not models.is_connected(chosen.engine) or chosen.recipe is None:
        raise click.UsageError(f"{model} has no engine of a provider that is connected")
    if not yes:
        click.confirm(f"It costs about {chosen.run_cost} {chosen.run_currency}. Go on?", abort=True)
    ordered = engine_trial.Trial(
        engine=chosen.engine,
        service_type=chosen.service_type,
        recipe=chosen.recipe,
        cost=(chosen.run_cost, chosen.run_currency),
        prompt=models.prompt(chosen.prompt, wish),
    )
    with announced(Entry("engine.try", f"model:{model}")):
        for line in engine_trial.run(ordered, photo, to):
            click.echo(line)


@engines_group.command()
@click.argument("engine", type=ENGINE)
@click.option("--in-flight", type=click.IntRange(0, 10_000), help="orders at a time")
@click.option("--per-minute", type=click.IntRange(0, 10_000), help="new orders a minute")
@click.option("--per-day", help="what it may cost in a day, in its currency; none: no limit")
def limit(engine: str, in_flight: int | None, per_minute: int | None, per_day: str | None) -> None:
    """Change how much may be ordered from ENGINE; workers see it within a second."""
    changes: EngineLimits = {}
    if in_flight is not None:
        changes["max_in_flight"] = in_flight
    if per_minute is not None:
        changes["creates_per_minute"] = per_minute
    if per_day is not None:
        changes["daily_cost"] = None if per_day == "none" else _money(per_day)
    if not changes:
        raise click.UsageError("say what to change: --in-flight, --per-minute or --per-day")
    with recorded(Entry("engine.limit", f"engine:{engine}", after=changes)) as session:
        engines.change(session, engine, **changes)
    click.echo(f"{engine} is changed")


@engines_group.command()
@click.argument("engine", type=ENGINE)
def resume(engine: str) -> None:
    """Let ENGINE take orders again at once: what closed it is mended."""
    with recorded(Entry("engine.resume", f"engine:{engine}")) as session:
        breakers.close(session, engine)
    click.echo(f"{engine} takes orders")


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except ArithmeticError as error:
        raise click.UsageError(f"{text!r} is not a number") from error
    if not amount.is_finite() or not 0 <= amount <= 1_000_000 or amount != round(amount, 2):
        raise click.UsageError("--per-day: from 0 to 1000000, with two decimals")
    return amount
