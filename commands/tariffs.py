"""Packages of tokens."""

from __future__ import annotations

from decimal import Decimal

import click

from commands.shapes import Amount, Words, table
from db import snapshot
from db.types import MAX_AMOUNT
from services import tariffs
from services.audit import Entry
from services.tariffs import TariffColumns
from workflows.actions import recorded

# As long as the `plan` of a payment may be.
NAME = Words(64)
TITLE = Words(100)
TOKENS = click.IntRange(1, int(MAX_AMOUNT))
POSITION = click.IntRange(0, 10_000)


@click.group("tariffs")
def tariffs_group() -> None:
    """Packages of tokens on offer."""


@tariffs_group.command("list")
def list_tariffs() -> None:
    """All tariffs, those on offer first."""
    with snapshot() as session:
        rows = tariffs.all_tariffs(session)
    table(
        ("name", "title", "tokens", "rub", "position", "on offer"),
        ((t.name, t.title, t.monthly_tokens, t.cost_rub, t.position, t.active) for t in rows),
    )


@tariffs_group.command()
@click.argument("name", type=NAME)
@click.argument("title", type=TITLE)
@click.argument("tokens", type=TOKENS)
@click.argument("rub", type=Amount())
@click.option("--position", type=POSITION, default=100, show_default=True, help="in the list")
def add(name: str, title: str, tokens: int, rub: Decimal, position: int) -> None:
    """Offer TOKENS for RUB rubles as NAME, shown as TITLE."""
    values = {"title": title, "monthly_tokens": tokens, "cost_rub": rub, "position": position}
    with recorded(Entry("tariff.add", f"tariff:{name}", after=values)) as session:
        tariffs.add(
            session, name, title=title, monthly_tokens=tokens, cost_rub=rub, position=position
        )
    click.echo(f"{name} is on offer")


@tariffs_group.command()
@click.argument("name")
@click.option("--title", type=TITLE)
@click.option("--tokens", type=TOKENS)
@click.option("--rub", type=Amount())
@click.option("--position", type=POSITION)
def edit(
    name: str, title: str | None, tokens: int | None, rub: Decimal | None, position: int | None
) -> None:
    """Change NAME; payments opened before keep their terms."""
    changes: TariffColumns = {}
    if title is not None:
        changes["title"] = title
    if tokens is not None:
        changes["monthly_tokens"] = tokens
    if rub is not None:
        changes["cost_rub"] = rub
    if position is not None:
        changes["position"] = position
    if not changes:
        raise click.UsageError("say what to change: --title, --tokens, --rub or --position")
    with recorded(Entry("tariff.edit", f"tariff:{name}", after=changes)) as session:
        tariffs.change(session, name, **changes)
    click.echo(f"{name} is changed")


@tariffs_group.command()
@click.argument("name")
def disable(name: str) -> None:
    """Stop offering NAME."""
    with recorded(Entry("tariff.disable", f"tariff:{name}")) as session:
        tariffs.change(session, name, active=False)
    click.echo(f"{name} is not on offer any more")
