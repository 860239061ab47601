"""Who may use the console."""

from __future__ import annotations

import click

import settings
from commands.shapes import table
from db import snapshot
from db.models import OPERATOR_ROLES
from db.rows import OperatorRow
from db.types import now
from services import operators
from services.audit import Entry
from workflows.actions import recorded

ROLE = click.Choice(OPERATOR_ROLES)


@click.group("operators")
def operators_group() -> None:
    """Who may use the operator's console."""


@operators_group.command("list")
def list_operators() -> None:
    """All operators, and when they last came."""
    with snapshot() as session:
        rows = operators.every(session)
    table(
        ("name", "role", "state", "last login", "from"),
        ((o.name, o.role, _state(o), o.last_login_at, o.last_address) for o in rows),
    )


@operators_group.command()
@click.argument("name")
@click.option("--role", type=ROLE, default="support", show_default=True)
def add(name: str, role: str) -> None:
    """Let NAME in, and print the one-time link with which they choose a password."""
    with recorded(Entry("operator.add", f"operator:{name}", after={"role": role})) as session:
        token = operators.add(session, name, role, now=now())
    click.echo(_link(token))


@operators_group.command()
@click.argument("name")
@click.option("--role", type=ROLE, help="a new role, from now on")
def reset(name: str, role: str | None) -> None:
    """End what NAME had: password, codes, sessions; and print a new one-time link."""
    after = {"role": role} if role else None
    with recorded(Entry("operator.reset", f"operator:{name}", after=after)) as session:
        token = operators.reset(session, name, role=role, now=now())
    click.echo(_link(token))


@operators_group.command()
@click.argument("name")
def disable(name: str) -> None:
    """Keep NAME out from now on; `reset` lets them in again."""
    with recorded(Entry("operator.disable", f"operator:{name}")) as session:
        operators.disable(session, name, now=now())
    click.echo(f"{name} is disabled")


def _link(token: str) -> str:
    return f"{settings.load().console_origin}/join/{token}"


def _state(row: OperatorRow) -> str:
    if row.disabled_at:
        return "disabled"
    return "waits for the link" if row.link_expires_at else "active"
