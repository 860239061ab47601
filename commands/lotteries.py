"""Lotteries and their verifiable draw."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

from commands.shapes import Moment, Words, row_limit, table
from db import snapshot
from db.rows import LotteryRow
from db.types import MAX_AMOUNT, now
from services import draws, lotteries
from services.audit import Entry
from services.lotteries import LotteryColumns, Prize
from workflows.actions import recorded

# A Russian keyboard has an x of its own, which looks the same.
CROSS = re.compile("[x\u0445]")


class PrizeParam(click.ParamType[Prize]):
    """`COUNT x TOKENS x TITLE`, such as `3x50x50 токенов`; 0 tokens for a prize given by hand."""

    name = "prize"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Prize:
        try:
            count, tokens, title = CROSS.split(value, 2)
            prize = Prize(title.strip(), int(count), Decimal(tokens))
        except (ValueError, ArithmeticError):
            self.fail(f"{value!r} is not COUNTxTOKENSxTITLE", param, ctx)
        if prize.count < 1 or not prize.title or not _is_amount(prize.tokens):
            fault = f"needs a count of 1 or more, a title, and tokens from 0 to {MAX_AMOUNT}"
            self.fail(f"{value!r} {fault}", param, ctx)
        return prize


def _is_amount(tokens: Decimal) -> bool:
    return tokens.is_finite() and 0 <= tokens <= MAX_AMOUNT and tokens == round(tokens, 2)


class Ending(Moment):
    """A future time: an ended lottery is drawn at once, with whoever took part by then."""

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        moment = super().convert(value, param, ctx)
        if moment <= now():
            self.fail(f"{value!r} is in the past", param, ctx)
        return moment


@click.group()
def lottery() -> None:
    """Lotteries and their verifiable draw."""


@lottery.command()
@click.argument("title", type=Words())
@click.option("--description", type=Words(), required=True)
@click.option("--start", type=Moment(), required=True)
@click.option("--end", type=Ending(), required=True)
@click.option("--prize", "prizes", type=PrizeParam(), multiple=True, required=True)
def create(
    title: str, description: str, start: datetime, end: datetime, prizes: tuple[Prize, ...]
) -> None:
    """Create a lottery; its seed is generated now and published as a hash."""
    entry = Entry("lottery.create")
    with recorded(entry) as session:
        made = lotteries.create(
            session,
            title=title,
            description=description,
            start_date=start,
            end_date=end,
            prizes=list(prizes),
        )
        entry.tell(f"lottery:{made.id}", title=title, end=end)
    click.echo(f"{made.id}  seed hash {made.seed_hash}")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
@click.option("--title", type=Words())
@click.option("--description", type=Words())
@click.option("--end", type=Ending())
def edit(
    lottery_id: UUID, title: str | None, description: str | None, end: datetime | None
) -> None:
    """Change the texts or the end of a lottery that has not been drawn."""
    changes: LotteryColumns = {}
    if title:
        changes["title"] = title
    if description:
        changes["description"] = description
    if end:
        changes["end_date"] = end
    if not changes:
        raise click.UsageError("say what to change: --title, --description or --end")
    entry = Entry("lottery.edit", f"lottery:{lottery_id}", after=dict(changes))
    with recorded(entry) as session:
        lotteries.change(session, lottery_id, **changes)
    click.echo("changed")


@lottery.command("list")
@row_limit
def list_lotteries(limit: int) -> None:
    """The newest lotteries."""
    moment = now()
    with snapshot() as session:
        rows = lotteries.recent(session, limit=limit)
    table(
        ("lottery", "title", "state", "start", "end", "seed hash"),
        ((r.id, r.title, _state(r, moment), r.start_date, r.end_date, r.seed_hash) for r in rows),
    )


def _state(row: LotteryRow, moment: datetime) -> str:
    if row.canceled_at or row.drawn_at:
        return "drawn" if row.drawn_at else "closed"
    if row.start_date > moment:
        return "to come"
    return "running" if row.end_date > moment else "to be drawn"


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def close(lottery_id: UUID) -> None:
    """End LOTTERY_ID without a draw."""
    with recorded(Entry("lottery.close", f"lottery:{lottery_id}")) as session:
        lotteries.cancel(session, lottery_id)
    click.echo("closed without a draw")


@lottery.command()
@click.option("--again", "lottery_id", type=click.UUID, help="draw one place of it again")
@click.option("--place", type=click.IntRange(min=1))
@click.option("--reason", type=Words())
def draw(lottery_id: UUID | None, place: int | None, reason: str | None) -> None:
    """Draw a lottery that has ended (the worker does it by itself), or one place again."""
    if lottery_id is not None:
        if not place or not reason:
            raise click.UsageError("--again needs --place and --reason")
        entry = Entry("lottery.redraw", f"lottery:{lottery_id}", reason)
        with recorded(entry) as session:
            winner = draws.redraw(session, lottery_id, place, reason=reason)
            entry.after = {"place": place, "round": winner.round}
        click.echo(f"place {winner.place}, round {winner.round}: entry {winner.entry_id}")
        return
    entry = Entry("lottery.draw")
    with recorded(entry) as session:
        drawn = draws.draw_due(session, now=now())
        entry.target = drawn and f"lottery:{drawn.id}"
    click.echo(f"{drawn.id} is drawn" if drawn else "nothing to draw")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def winners(lottery_id: UUID) -> None:
    """Who won what in LOTTERY_ID, to hand over prizes that are not tokens; personal data."""
    with snapshot() as session:
        rows = draws.winners(session, lotteries.get(session, lottery_id))
    table(
        ("place", "round", "prize", "tokens", "telegramId", "username", "user", "reason"),
        (
            (w.place, w.round, w.prize, w.tokens, w.telegram_id, w.username, w.user_id, w.reason)
            for w in rows
        ),
    )


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def verify(lottery_id: UUID) -> None:
    """Recompute the draw of LOTTERY_ID; exit code 1 when it does not match."""
    with snapshot() as session:
        faults = draws.verified(session, lotteries.get(session, lottery_id))
    for fault in faults:
        click.echo(fault)
    if faults:
        raise SystemExit(1)
    click.echo("seed, entries and winners add up")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def entries(lottery_id: UUID) -> None:
    """Print everything needed to recompute the draw, as JSON for docs/verify_lottery.py."""
    with snapshot() as session:
        proof = draws.proof(session, lotteries.get(session, lottery_id))
    click.echo(json.dumps(proof, indent=2))
