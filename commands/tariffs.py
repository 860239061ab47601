"""Packages of tokens."""

from __future__ import annotations

from decimal import Decimal

import click

from commands.shapes import Amount, table
from db import reading, transaction
from services import operations


@click.group()
def tariffs() -> None:
    """Packages of tokens on offer."""


@tariffs.command("list")
def list_tariffs() -> None:
    """All tariffs, those on offer first."""
    with reading() as session:
        rows = operations.all_tariffs(session)
    table(
        ("name", "title", "tokens", "rub", "position", "on offer"),
        ((t.name, t.title, t.monthly_tokens, t.cost_rub, t.position, t.active) for t in rows),
    )


@tariffs.command()
@click.argument("name")
@click.argument("title")
@click.argument("tokens", type=click.IntRange(min=1))
@click.argument("rub", type=Amount())
@click.option("--position", default=100, show_default=True, help="place in the list")
def add(name: str, title: str, tokens: int, rub: Decimal, position: int) -> None:
    """Offer TOKENS for RUB rubles as NAME, shown as TITLE."""
    with transaction() as session:
        operations.add_tariff(
            session, name=name, title=title, monthly_tokens=tokens, cost_rub=rub, position=position
        )
    click.echo(f"{name} is on offer")


@tariffs.command()
@click.argument("name")
@click.option("--title")
@click.option("--tokens", type=click.IntRange(min=1))
@click.option("--rub", type=Amount())
@click.option("--position", type=int)
def edit(
    name: str, title: str | None, tokens: int | None, rub: Decimal | None, position: int | None
) -> None:
    """Change NAME; payments that were opened before keep their terms."""
    changes = {"title": title, "monthly_tokens": tokens, "cost_rub": rub, "position": position}
    with transaction() as session:
        operations.change_tariff(
            session,
            name,
            **{column: value for column, value in changes.items() if value is not None},
        )
    click.echo(f"{name} is changed")


@tariffs.command()
@click.argument("name")
def disable(name: str) -> None:
    """Offer NAME no more."""
    with transaction() as session:
        operations.change_tariff(session, name, active=False)
    click.echo(f"{name} is not on offer any more")
