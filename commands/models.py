"""Generation models: prices of the services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from commands.shapes import Amount, table
from db import snapshot, transaction
from services import models

# An order of ten photos must be an amount, too.
PRICE = Amount(most=Decimal(900_000))


@click.group("models")
def models_group() -> None:
    """Generation models: what the services cost."""


@models_group.command("list")
def list_models() -> None:
    """All generation models; the default of a service makes its orders."""
    with snapshot() as session:
        rows = models.all_models(session)
    table(
        ("name", "service", "engine", "tokens", "rub", "active", "default"),
        (
            (
                m.name,
                m.service_type,
                m.engine,
                m.price_tokens,
                m.price_rub,
                m.active,
                m.is_default,
            )
            for m in rows
        ),
    )


@models_group.command()
@click.argument("name")
@click.option("--tokens", type=PRICE, help="price of a photo, tokens")
@click.option("--rub", type=PRICE, help="the same in rubles, as orders show it")
@click.option("--active/--inactive", default=None, help="an inactive one makes no orders")
@click.option("--default", "is_default", is_flag=True, help="make the orders of its service")
def edit(
    name: str, tokens: Decimal | None, rub: Decimal | None, active: bool | None, is_default: bool
) -> None:
    """Change NAME; orders made before keep their price."""
    wanted = {"price_tokens": tokens, "price_rub": rub, "active": active}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if is_default and active is False:
        raise click.UsageError("a model that is not active cannot be the default")
    if is_default:
        changes |= {"active": True, "is_default": True}
    if active is False:
        changes["is_default"] = False
    if not changes:
        raise click.UsageError("say what to change: --tokens, --rub, --active or --default")
    with transaction() as session:
        service = models.change(session, name, **changes).service_type
        sold = any(m.is_default and m.service_type == service for m in models.all_models(session))
    click.echo(f"{name} is changed")
    if not sold:
        click.echo(f"{service} is not sold now: it has no default model")
