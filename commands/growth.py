"""Lotteries, reviews and bonus channels."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

import settings
from commands.shapes import Moment, table
from db import reading, transaction
from db.models import REVIEW_STATES
from db.types import now
from services import bonuses, draws, lotteries, operations, reviews, users
from services.lotteries import Prize


class PrizeParam(click.ParamType[Prize]):
    """`COUNT x TOKENS x TITLE`, such as `3x50x50 токенов`; 0 tokens for a prize given by hand."""

    name = "prize"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Prize:
        try:
            count, tokens, title = value.split("x", 2)
            prize = Prize(title.strip(), int(count), Decimal(tokens))
        except (ValueError, ArithmeticError):
            self.fail(f"{value!r} is not COUNTxTOKENSxTITLE", param, ctx)
        if prize.count < 1 or prize.tokens < 0 or not prize.title:
            self.fail("needs a count of 1 or more, tokens of 0 or more and a title", param, ctx)
        return prize


@click.group()
def lottery() -> None:
    """Lotteries and their verifiable draw."""


@lottery.command()
@click.argument("title")
@click.option("--description", required=True)
@click.option("--start", type=Moment(), required=True)
@click.option("--end", type=Moment(), required=True)
@click.option("--prize", "prizes", type=PrizeParam(), multiple=True, required=True)
def create(
    title: str, description: str, start: datetime, end: datetime, prizes: tuple[Prize, ...]
) -> None:
    """Make a lottery; its seed is drawn now and published as a hash."""
    with transaction() as session:
        made = lotteries.create(
            session,
            title=title,
            description=description,
            start_date=start,
            end_date=end,
            prizes=list(prizes),
        )
    click.echo(f"{made.id}  seed hash {made.seed_hash}")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
@click.option("--title")
@click.option("--description")
@click.option("--end", type=Moment())
def edit(
    lottery_id: UUID, title: str | None, description: str | None, end: datetime | None
) -> None:
    """Change the texts or the end of a lottery that has not been drawn."""
    changes = {"title": title, "description": description, "end_date": end}
    with transaction() as session:
        lotteries.change(
            session, lottery_id, **{name: value for name, value in changes.items() if value}
        )
    click.echo("changed")


@lottery.command("list")
def list_lotteries() -> None:
    """All lotteries, newest first."""
    with reading() as session:
        rows = lotteries.history(session, limit=50, cursor=None).rows
    table(
        ("lottery", "title", "start", "end", "drawn", "seed hash"),
        ((r.id, r.title, r.start_date, r.end_date, r.drawn_at, r.seed_hash) for r in rows),
    )


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def close(lottery_id: UUID) -> None:
    """End LOTTERY_ID without a draw."""
    with transaction() as session:
        lotteries.cancel(session, lottery_id)
    click.echo("closed without a draw")


@lottery.command()
@click.option("--again", "lottery_id", type=click.UUID, help="draw one place of it again")
@click.option("--place", type=click.IntRange(min=1))
@click.option("--reason")
def draw(lottery_id: UUID | None, place: int | None, reason: str | None) -> None:
    """Draw a lottery that has ended (the worker does it by itself), or one place again."""
    if lottery_id is not None:
        if not place or not reason:
            raise click.UsageError("--again needs --place and --reason")
        with transaction() as session:
            winner = draws.redraw(session, lottery_id, place, reason=reason)
        click.echo(f"place {winner.place}, round {winner.round}: entry {winner.entry_id}")
        return
    with transaction() as session:
        drawn = draws.draw_due(session, now=now())
    click.echo(f"{drawn.id} is drawn" if drawn else "nothing to draw")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def verify(lottery_id: UUID) -> None:
    """Compute the draw of LOTTERY_ID again; exit code 1 when it does not add up."""
    with reading() as session:
        faults = draws.verified(session, lotteries.get(session, lottery_id))
    for fault in faults:
        click.echo(fault)
    if faults:
        raise SystemExit(1)
    click.echo("seed, entries and winners add up")


@lottery.command()
@click.argument("lottery_id", type=click.UUID)
def entries(lottery_id: UUID) -> None:
    """Print what anybody needs to recompute the draw, as JSON for docs/verify_lottery.py."""
    with reading() as session:
        proof = draws.proof(session, lotteries.get(session, lottery_id))
    click.echo(json.dumps(proof, indent=2))


@click.group("reviews")
def reviews_group() -> None:
    """Messages of the review chat."""


@reviews_group.command("list")
@click.option("--state", type=click.Choice(REVIEW_STATES))
@click.option("--limit", default=20, show_default=True)
def list_reviews(state: str | None, limit: int) -> None:
    """The newest messages seen."""
    with reading() as session:
        rows = reviews.recent(session, state=state, limit=limit)
    table(
        ("review", "chat", "message", "author", "state", "user", "posted"),
        (
            (r.id, r.chat, r.message_id, r.author_telegram_id, r.state, r.user_id, r.posted_at)
            for r in rows
        ),
    )


@reviews_group.command()
@click.argument("review_id", type=click.UUID)
@click.argument("user")
def approve(review_id: UUID, user: str) -> None:
    """Count REVIEW_ID for USER (id or telegramId) where Telegram gives no proof."""
    with transaction() as session:
        finding = reviews.approve(session, review_id, users.find(session, user).id)
    click.echo("rewarded" if finding.granted else "the user had a reward before")


@reviews_group.command()
@click.argument("review_id", type=click.UUID)
@click.option("--note", required=True)
def reject(review_id: UUID, note: str) -> None:
    """Never count REVIEW_ID."""
    with transaction() as session:
        reviews.reject(session, review_id, note=note)
    click.echo("rejected")


@click.group()
def channels() -> None:
    """Channels that give a bonus."""


@channels.command("list")
def list_channels() -> None:
    """Channels of BONUS_CHANNELS and how many users had their bonus."""
    names = [bonuses.normalized(name) for name in settings.load().bonus_channels]
    with reading() as session:
        counts = operations.channel_bonuses(session, names)
    table(("channel", "bonuses given"), ((name, counts.get(name, 0)) for name in names))
