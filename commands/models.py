"""Generation models: what customers can choose, what it costs them and us."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import click

import settings
from commands.shapes import Amount, Cost, Words, table
from db import snapshot
from db.models import SERVICE_TYPES
from services import models
from services.audit import Entry
from services.models import ModelColumns
from workflows import model_offers
from workflows.actions import recorded

NAME, TITLE, ABOUT, PROMPT = Words(64), Words(100), Words(300), Words(2000)
SECONDS = click.IntRange(1, 3600)
FALLBACK = click.IntRange(0, 1000)

PRICE = Amount(most=model_offers.MOST_PRICE)


@click.group("models")
def models_group() -> None:
    """Generation models: what the services cost, and which engine makes them."""


@models_group.command("list")
@click.option("--on-offer", is_flag=True, help="only what can be ordered now")
def list_models(on_offer: bool) -> None:
    """All generation models; the default of a service makes orders that name none."""
    with snapshot() as session:
        rows = models.offered(session) if on_offer else models.all_models(session)
    table(
        ("name", "service", "engine", "tokens", "rub", "costs us", "fallback", "active", "default"),
        (
            (
                m.name,
                m.service_type,
                m.engine,
                m.price_tokens,
                m.price_rub,
                f"{m.run_cost} {m.run_currency}" if m.run_cost else "",
                m.fallback_position,
                m.active,
                m.is_default,
            )
            for m in rows
        ),
    )


@models_group.command()
@click.argument("name")
def show(name: str) -> None:
    """Everything about NAME, with its recipe."""
    with snapshot() as session:
        model = models.find(session, name)
    for name, value in model._asdict().items():
        shown = json.dumps(value, ensure_ascii=False) if name == "recipe" else value
        click.echo(f"{name:18} {shown}")


@models_group.command()
@click.argument("name", type=NAME)
@click.argument("service", type=click.Choice(SERVICE_TYPES))
@click.argument("engine", type=click.Choice(settings.ENGINES))
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", type=TITLE, required=True, help="Russian, for customers")
@click.option("--description", type=ABOUT, required=True, help="Russian, for customers")
@click.option("--tokens", type=PRICE, required=True)
@click.option("--rub", type=PRICE, required=True)
@click.option("--cost", type=Cost(), required=True, help="what a run costs us: 0.35USD, 31.5RUB")
@click.option("--prompt", type=PROMPT, help="with {wish} where a customer's wish goes")
@click.option("--seconds", type=SECONDS, default=60, show_default=True, help="it usually takes")
def add(  # noqa: PLR0913 (the columns of a row)
    name: str,
    service: str,
    engine: str,
    recipe: Path,
    cost: tuple[Decimal, str],
    seconds: int,
    tokens: Decimal,
    rub: Decimal,
    title: str,
    description: str,
    prompt: str | None,
) -> None:
    """Add NAME, made by ENGINE as the JSON file RECIPE says; not on offer before `edit --active`.

    RECIPE: {"model": ..., "template": {...}}, see docs/engines.md.
    """
    written = _recipe(recipe, service, cost)
    entry = Entry("model.add", f"model:{name}", after={"engine": engine, "tokens": tokens})
    with recorded(entry) as session:
        models.add(
            session,
            name,
            service_type=service,
            engine=engine,
            recipe=written,
            price_tokens=tokens,
            price_rub=rub,
            run_cost=cost[0],
            run_currency=cost[1],
            usual_seconds=seconds,
            active=False,
            title=title,
            description=description,
            prompt=prompt or "",
        )
    click.echo(f"{name} is added; put it on offer: python cli.py models edit {name} --active")


@models_group.command()
@click.argument("name")
@click.option("--tokens", type=PRICE, help="price of a photo, tokens")
@click.option("--rub", type=PRICE, help="the same in rubles, as orders show it")
@click.option("--title", type=TITLE, help="Russian, for customers")
@click.option("--description", type=ABOUT, help="Russian, for customers")
@click.option("--prompt", type=PROMPT, help="with {wish} where a customer's wish goes")
@click.option("--cost", type=Cost(), help="what a run costs us: 0.35USD, 31.5RUB")
@click.option("--seconds", "usual_seconds", type=SECONDS, help="it usually takes")
@click.option("--fallback", type=FALLBACK, help="its position among those that stand in; 0: never")
@click.option("--most-mb", type=click.IntRange(1, 100), help="largest result it may make, MiB")
@click.option("--recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--active/--inactive", default=None, help="an inactive one makes no orders")
@click.option("--default", "is_default", is_flag=True, help="make the orders of its service")
def edit(name: str, active: bool | None, is_default: bool, **given: Any) -> None:
    """Change NAME; orders made before keep their price."""
    if is_default and active is False:
        raise click.UsageError("a model that is not active cannot be the default")
    changes = _changes(name, given)
    if active is not None:
        changes["active"] = active
    if is_default:
        changes |= {"active": True, "is_default": True}
    if active is False:
        changes["is_default"] = False
    if not changes:
        raise click.UsageError("say what to change: --tokens, --rub, --active, --default, ...")
    _change(name, changes)


@models_group.command()
@click.argument("name")
def disable(name: str) -> None:
    """Stop offering NAME; what was ordered is still made."""
    _change(name, {"active": False, "is_default": False})


@models_group.command()
@click.argument("name")
def default(name: str) -> None:
    """Let NAME make the orders of its service that name no model."""
    _change(name, {"active": True, "is_default": True})


def _changes(name: str, given: dict[str, Any]) -> ModelColumns:
    """Columns and their new values, whose types the options have checked."""
    columns = {"tokens": "price_tokens", "rub": "price_rub", "fallback": "fallback_position"}
    changes = {columns.get(key, key): value for key, value in given.items() if value is not None}
    if changes.get("fallback_position") == 0:
        changes["fallback_position"] = None
    if "most_mb" in changes:
        changes["max_result_bytes"] = changes.pop("most_mb") * 1024 * 1024
    if "cost" in changes:
        changes["run_cost"], changes["run_currency"] = changes.pop("cost")
    if "recipe" in changes:
        with snapshot() as session:
            model = models.find(session, name)
        cost = (model.run_cost, model.run_currency)
        changes["recipe"] = _recipe(changes["recipe"], model.service_type, cost)
    return cast(ModelColumns, changes)


def _change(name: str, changes: ModelColumns) -> None:
    if changes.get("active"):
        _require_recipe(name, changes)
    entry = Entry("model.edit", f"model:{name}")
    with recorded(entry) as session:
        entry.compare(models.find(session, name), changes)
        service = models.change(session, name, **changes).service_type
        sold = any(m.is_default and m.service_type == service for m in models.all_models(session))
    click.echo(f"{name} is changed")
    if not sold:
        click.echo(f"{service} is not sold now: it has no default model")


def _require_recipe(name: str, changes: ModelColumns) -> None:
    """A model goes on offer only with a recipe that a run can be made of."""
    with snapshot() as session:
        model = models.find(session, name)
    try:
        model_offers.require_recipe(model, changes)
    except ValueError as error:
        raise click.UsageError(f"{error}; see `edit --recipe`") from error


def _recipe(file: Path, service: str, cost: tuple[Decimal, str]) -> dict[str, Any]:
    """The recipe in a file. UsageError when no run could be made of it."""
    try:
        written: dict[str, Any] = json.loads(file.read_text("utf-8"))
        model_offers.check_recipe(written, service, cost)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise click.UsageError(f"{file} is no recipe: {error!r}") from error
    return written
