"""Events on their way to the bot."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from uuid import UUID

import click

from commands.shapes import Moment, row_limit, table
from db import snapshot
from db.models import DELIVERY_STATES
from services import events, feed, outbox
from services.audit import Entry
from workflows import feed as feeds
from workflows import outbox as sending
from workflows.actions import recorded


@click.group("outbox")
def outbox_group() -> None:
    """Events on their way to the bot: EVENTS_URL, or what it reads itself."""


@outbox_group.command("list")
@click.option("--state", type=click.Choice(DELIVERY_STATES))
@row_limit
def list_outbox(state: str | None, limit: int) -> None:
    """What waits and what is dead, how far the bot has read, and the newest events."""
    feeds.publish()
    with snapshot() as session:
        rows = outbox.recent(session, state=state, limit=limit)
        waiting = outbox.counts(session)
        read = feed.confirmed(session)
    for count in waiting:
        click.echo(f"{count.state}: {count.events}, the oldest from {count.oldest}")
    click.echo(f"read by the bot up to {read}\n")
    table(
        ("event", "sequence", "type", "user", "written", "state", "attempt", "next", "last"),
        (
            (
                e.id,
                e.sequence,
                e.type,
                e.user_id,
                e.created_at,
                e.state,
                e.attempt,
                e.next_at,
                e.last_status or e.last_error,
            )
            for e in rows
        ),
    )


@outbox_group.command()
@click.argument("event_id", type=click.UUID)
def show(event_id: UUID) -> None:
    """Everything about EVENT_ID."""
    with snapshot() as session:
        event = outbox.find(session, event_id)
    click.echo(json.dumps(events.as_json(event), ensure_ascii=False, indent=2))
    for name in ("state", "attempt", "next_at", "delivered_at", "last_status", "last_error"):
        click.echo(f"{name}: {getattr(event, name)}")


@outbox_group.command()
@click.argument("event_id", type=click.UUID, required=False)
@click.option("--dead", is_flag=True, help="All that are dead.")
@click.option("--delivered", is_flag=True, help="All that were delivered; needs --since.")
@click.option("--since", type=Moment(), help="Only those written since.")
def replay(event_id: UUID | None, dead: bool, delivered: bool, since: datetime | None) -> None:
    """Send EVENT_ID again, or all that are dead or were delivered; ids and order stay."""
    if (event_id is not None) + dead + delivered != 1 or (delivered and since is None):
        raise click.UsageError("give EVENT_ID, --dead, or --delivered with --since")
    entry = Entry("outbox.replay", f"outbox:{event_id}" if event_id else None)
    with recorded(entry) as session:
        if event_id is not None:
            outbox.replay(session, event_id)
            count = 1
        else:
            state = "dead" if dead else "delivered"
            count = outbox.replay_all(session, state=state, since=since)
        entry.after = {"events": count}
    click.echo(f"{count} will be sent again")


@outbox_group.command()
def ping() -> None:
    """Post a test event to EVENTS_URL now; exit code 1 when it does not arrive."""
    to = sending.endpoint()
    if to is None:
        raise click.UsageError("EVENTS_URL is not set")
    delivery = sending.ping(to)
    click.echo("delivered" if delivery.delivered else f"{delivery.status}: {delivery.error}")
    sys.exit(not delivery.delivered)
