"""Messages of the review chat."""

from __future__ import annotations

from uuid import UUID

import click

from commands.shapes import Words, row_limit, table
from db import snapshot
from db.models import REVIEW_STATES
from services import reviews, users
from services.audit import Entry
from workflows.actions import recorded


@click.group("reviews")
def reviews_group() -> None:
    """Messages of the review chat."""


@reviews_group.command("list")
@click.option("--state", type=click.Choice(REVIEW_STATES))
@row_limit
def list_reviews(state: str | None, limit: int) -> None:
    """The newest messages seen."""
    with snapshot() as session:
        rows = reviews.listed(session, state=state, limit=limit).rows
    table(
        ("review", "chat", "message", "author", "state", "user", "posted", "length", "note"),
        (
            (
                r.id,
                r.chat,
                r.message_id,
                r.author_telegram_id,
                r.state,
                r.user_id,
                r.posted_at,
                r.prose_length,
                r.note,
            )
            for r in rows
        ),
    )


@reviews_group.command()
@click.argument("review_id", type=click.UUID)
@click.argument("user")
def approve(review_id: UUID, user: str) -> None:
    """Count REVIEW_ID for USER (id or telegramId): without proof, held as a copy, or short."""
    entry = Entry("review.approve", f"review:{review_id}")
    with recorded(entry) as session:
        person = users.find(session, user)
        finding = reviews.approve(session, review_id, person.id)
        entry.after = {"user": person.id, "rewarded": finding.granted}
    click.echo("rewarded" if finding.granted else "this user has already been rewarded")


@reviews_group.command()
@click.argument("review_id", type=click.UUID)
@click.option("--note", type=Words(), required=True)
def reject(review_id: UUID, note: str) -> None:
    """Never count REVIEW_ID."""
    with recorded(Entry("review.reject", f"review:{review_id}", note)) as session:
        reviews.reject(session, review_id, note=note)
    click.echo("rejected")
