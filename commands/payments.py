"""Payments, and what providers reported about them."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

from commands.shapes import Amount, Moment, Words, row_limit, table
from db import snapshot
from db.models import EVENT_STATES, PAYMENT_STATUSES
from db.rows import PaymentEventRow
from db.types import now
from services import inbox, payments
from services.audit import Entry
from services.inbox import Verdict
from workflows import payment_events, reconciler, recovery
from workflows.actions import announced, recorded
from workflows.recovery import Finding

FOUND = ("", "provider", "moment", "reference", "payment", "telegramId", "paid", "tokens", "what")


@click.group("payments")
def payments_group() -> None:
    """Payments of customers."""


@payments_group.command("list")
@click.option("--status", type=click.Choice(PAYMENT_STATUSES))
@row_limit
def list_payments(status: str | None, limit: int) -> None:
    """The newest payments of all users."""
    with snapshot() as session:
        rows = payments.listed(session, status=status, limit=limit).rows
    table(
        ("payment", "provider", "status", "rub", "tokens", "user", "created", "trouble"),
        (
            (
                p.id,
                p.provider,
                p.status,
                p.amount_rub,
                p.tokens,
                p.user_id,
                p.created_at,
                p.last_error,
            )
            for p in rows
        ),
    )


@payments_group.command("show")
@click.argument("payment_id", type=click.UUID)
def show_payment(payment_id: UUID) -> None:
    """Everything known about PAYMENT_ID and its events."""
    with snapshot() as session:
        payment = payments.find(session, payment_id)
        events = inbox.of_payment(session, payment_id)
    for name, value in payment._asdict().items():
        click.echo(f"{name:20} {value}")
    _events_table(events)


@payments_group.command()
@click.option("--since", type=Moment(), required=True, help="the moment a restore went back to")
@click.option("--dry-run", is_flag=True, help="show the same, and change nothing")
def recover(since: datetime, dry_run: bool) -> None:
    """Find money that providers hold and no row knows, and credit it.

    Exit code 1 if something waits for you.
    """
    if since > now() + recovery.CLOCKS_DIFFER:
        raise click.UsageError("that moment is still to come: nothing would be found")
    entry = Entry("payment.recover", after={"since": since.isoformat(), "dry_run": dry_run})
    with announced(entry):
        found = list(recovery.recover(since, dry_run=dry_run))
        waiting = sum(each.is_open for each in found)
        settled = sum(each.tokens is not None for each in found)
        entry.note = f"{settled} settled, {waiting} wait"
    if found:
        table(FOUND, (_cells(each) for each in found))
    click.echo(f"nothing was changed: {entry.note}" if dry_run else entry.note)
    sys.exit(bool(waiting))


@payments_group.command()
@click.argument("payment_id", type=click.UUID)
def check(payment_id: UUID) -> None:
    """Ask the provider about PAYMENT_ID now and apply what it says."""
    _require(payment_id)
    with announced(Entry("payment.check", f"payment:{payment_id}")) as entry:
        entry.note = _said(reconciler.check(payment_id))
    click.echo(entry.note)


@payments_group.command()
@click.argument("payment_id", type=click.UUID)
@click.option("--rub", type=Amount(), help="rubles to return; all that is left without it")
@click.option("--key", type=Words(200), required=True, help="the same key refunds once")
def refund(payment_id: UUID, rub: Decimal | None, key: str) -> None:
    """Refund rubles of PAYMENT_ID through its provider; takes tokens back pro rata."""
    _require(payment_id)
    entry = Entry("payment.refund", f"payment:{payment_id}", key=key, after={"rub": rub})
    with announced(entry):
        entry.note = _said(reconciler.refund(payment_id, rub, key=key))
    click.echo(entry.note)


@click.group()
def events() -> None:
    """What providers reported, as stored."""


@events.command("list")
@click.option("--state", type=click.Choice(EVENT_STATES))
@click.option("--flagged", is_flag=True, help="applied, but look at them")
@row_limit
def list_events(state: str | None, flagged: bool, limit: int) -> None:
    """The newest events; parked and flagged ones need your attention."""
    if flagged and state not in (None, "applied"):
        raise click.UsageError("only events that were applied are flagged")
    with snapshot() as session:
        rows = inbox.listed(session, state=state, flagged=flagged, limit=limit).rows
    _events_table(rows)


@events.command("show")
@click.argument("event_id", type=click.UUID)
def show_event(event_id: UUID) -> None:
    """EVENT_ID as the provider reported it, without personal data."""
    with snapshot() as session:
        event = inbox.find(session, event_id)
    click.echo(
        f"{event.provider} {event.event_key} {event.kind}: {event.state} {event.reason or ''}"
    )
    click.echo(json.dumps(event.notice, ensure_ascii=False, indent=2))


@events.command()
@click.argument("event_id", type=click.UUID)
def replay(event_id: UUID) -> None:
    """Apply EVENT_ID again; one that was applied or ignored changes nothing."""
    entry = Entry("event.replay", f"event:{event_id}")
    with recorded(entry) as session:
        entry.note = _said(payment_events.replay(session, event_id))
    click.echo(entry.note)


@events.command()
@click.argument("event_id", type=click.UUID)
@click.option("--reason", type=Words(), required=True, help="why nothing follows from it")
def dismiss(event_id: UUID, reason: str) -> None:
    """Put EVENT_ID, a parked one, aside; it and repeats of it are ignored from then on."""
    with recorded(Entry("event.dismiss", f"event:{event_id}", reason)) as session:
        event = inbox.dismiss(session, event_id, reason=reason)
    click.echo(_said(Verdict(event.state, event.reason)))


def _cells(found: Finding) -> tuple[object, ...]:
    return (
        "WAITS" if found.is_open else "ok",
        found.provider,
        found.moment,
        found.reference,
        found.payment_id,
        found.telegram_id,
        found.amount,
        found.tokens,
        found.what,
    )


def _require(payment_id: UUID) -> None:
    with snapshot() as session:
        payments.find(session, payment_id)


def _said(verdict: Verdict) -> str:
    return f"{verdict.state}{': ' + verdict.reason if verdict.reason else ''}"


def _events_table(rows: list[PaymentEventRow]) -> None:
    table(
        ("event", "provider", "kind", "state", "reason", "payment", "received"),
        ((e.id, e.provider, e.kind, e.state, e.reason, e.payment_id, e.received_at) for e in rows),
    )
