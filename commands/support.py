"""What people ask the operator for."""

from __future__ import annotations

import click

from commands.shapes import Words, row_limit, table
from db import snapshot
from db.models import SUPPORT_STATUSES
from db.types import now
from services import support
from services.audit import Entry
from workflows.actions import recorded


@click.group("support")
def support_group() -> None:
    """Refunds and help that people ask for through the bot."""


@support_group.command("list")
@click.option("--status", type=click.Choice(SUPPORT_STATUSES), default="open", show_default=True)
@row_limit
def list_requests(status: str, limit: int) -> None:
    """Requests, those that have waited longest first."""
    with snapshot() as session:
        rows = support.of_status(session, status, limit=limit)
    table(
        (
            *("request", "topic", "telegram", "username", "user"),
            *("payment", "job", "created", "message"),
        ),
        (row._replace(message=_one_line(row.message)) for row in rows),
    )


def _one_line(text: str) -> str:
    """A stranger's text for a terminal: nothing in it can move the cursor."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


@support_group.command("close")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--answer", type=Words(2000), required=True, help="what was done, for your books")
def close_request(number: int, answer: str) -> None:
    """End request NUMBER; whoever asked hears from you, not from the bot."""
    with recorded(Entry("support.close", f"support:{number}", answer)) as session:
        closed = support.close(session, number, answer=answer, now=now())
    click.echo("closed" if closed else "it had been closed before")
