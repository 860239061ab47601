"""Users, and the tokens an operator gives or takes manually."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import click

from commands.jobs import jobs_table
from commands.shapes import Amount, Words, table
from db import snapshot
from db.types import now
from services import erasure, grants, jobs, ledger, people, users
from services.audit import Entry
from workflows import erasure as workflow
from workflows import export
from workflows.actions import announced, recorded


@click.group()
def user() -> None:
    """People."""


@user.command("show")
@click.argument("user")
def show(user: str) -> None:
    """Balance, last transactions and last jobs of USER (id or telegramId)."""
    with snapshot() as session:
        person = users.find(session, user)
        history = ledger.history(session, person.id, limit=10, cursor=None).rows
        orders = jobs.of_user(session, person.id, limit=10, cursor=None).rows
    click.echo(f"{person.id}  telegram {person.telegram_id}  @{person.username or '-'}")
    agreed = f"since {person.consent_pd_at} to {person.consent_version or 'no version'}"
    consent = agreed if person.consent_pd else "no"
    click.echo(f"balance {person.balance_tokens} tokens, consent {consent}")
    if person.banned_at is not None:
        click.echo(f"banned {person.banned_at}: {person.ban_reason}")
    table(
        ("when", "type", "status", "tokens", "rub", "balance"),
        (
            (t.created_at, t.type, t.status, t.tokens_delta, t.amount_rub, t.balance_after)
            for t in history
        ),
    )
    jobs_table(orders)


@user.command("export")
@click.argument("user")
@click.option("--to", type=click.Path(path_type=Path), help="the ZIP; else person-ID.zip, here")
def export_user(user: str, to: Path | None) -> None:
    """Write everything kept about USER (id or telegramId) into a ZIP, with the files."""
    with snapshot() as session:
        person = users.find(session, user)
    to = to or Path(f"person-{person.id}.zip")
    draft = to.with_name(f"{to.name}.part")
    try:
        with (
            announced(Entry("user.export", f"user:{person.id}")),
            open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file,
        ):
            export.write(person.id, file, now=now())
        draft.rename(to)
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{to} holds everything kept about {person.id}")


@user.command("erase")
@click.argument("user")
@click.option("--reason", type=Words(), required=True, help="kept for ever, so name nobody in it")
@click.option("--yes", is_flag=True, help="do not ask: it cannot be undone")
def erase_user(user: str, reason: str, yes: bool) -> None:
    """Erase USER (id or telegramId): what leads to the person goes, the books stay."""
    if not yes:
        _show_what_goes(user)
        click.confirm("All of it is ended, taken away or deleted for ever. Go on?", abort=True)
    with snapshot() as session:
        person = erasure.find(session, user)
    with announced(Entry("user.erase", f"user:{person.id}", reason)):
        erased = workflow.erase(person.id)
    deleted = (
        "the workers delete the files; repeat this later, so that the storage notes it"
        if erased.files_left
        else f"{erased.files_deleted} files deleted"
    )
    click.echo(f"{person.id} is erased; {deleted}")


@user.command("erase-again")
def erase_again() -> None:
    """After a restore: erase whoever was erased since; exit code 1 if somebody could not be."""
    undone = 0
    for user_id in workflow.erased_before():
        entry = Entry("user.erase", f"user:{user_id}", "erased before the database was restored")
        try:
            with announced(entry):
                workflow.erase(user_id)
            click.echo(f"{user_id} is erased again")
        except erasure.NotNow as trouble:
            undone += 1
            click.echo(f"{user_id} is not erased: {trouble}")
    if undone:
        raise RuntimeError(
            f"{undone} people could not be erased: do what it says, then repeat this"
        )
    click.echo("nobody else was erased after this moment")


def _show_what_goes(user: str) -> None:
    with snapshot() as session:
        person = erasure.find(session, user)
        erasure.require_possible(session, person)
        left = erasure.left(session, person.id)
    for name, value in left._asdict().items():
        click.echo(f"{name.replace('_', ' ')}: {value}")


@user.command()
@click.argument("user")
@click.option("--reason", type=Words(), required=True, help="for you, never shown to the user")
def ban(user: str, reason: str) -> None:
    """Let USER (id or telegramId) order and pay no more; what was ordered is delivered."""
    entry = Entry("user.ban", reason=reason)
    with recorded(entry) as session:
        person = people.ban(session, users.find(session, user).id, reason=reason, now=now())
        entry.target = f"user:{person.id}"
    click.echo(f"banned {person.banned_at}: {person.ban_reason}")


@user.command()
@click.argument("user")
def unban(user: str) -> None:
    """Let USER (id or telegramId) order and pay again."""
    entry = Entry("user.unban")
    with recorded(entry) as session:
        person = users.find(session, user)
        people.unban(session, person.id)
        entry.target = f"user:{person.id}"
    click.echo("not banned")


@click.command()
@click.argument("user")
@click.argument("tokens", type=Amount())
@click.option("--key", type=Words(200), required=True, help="the same key grants once")
@click.option("--reason", type=Words(), required=True, help="kept in the ledger")
def grant(user: str, tokens: Decimal, key: str, reason: str) -> None:
    """Give USER (id or telegramId) TOKENS; the user's waiting jobs then start."""
    entry = Entry("user.grant", reason=reason, key=key)
    with recorded(entry) as session:
        owner = users.find(session, user)
        row = grants.grant(session, owner.id, tokens, key=key, reason=reason)
        entry.tell(f"user:{owner.id}", tokens=row.tokens_delta, balance=row.balance_after)
    click.echo(f"{row.tokens_delta} tokens given, balance was {row.balance_after} then")


@click.command()
@click.argument("user")
@click.argument("tokens", type=Amount())
@click.option("--key", type=Words(200), required=True, help="the same key withdraws once")
@click.option("--reason", type=Words(), required=True, help="kept in the ledger")
def withdraw(user: str, tokens: Decimal, key: str, reason: str) -> None:
    """Take TOKENS from USER (id or telegramId)."""
    entry = Entry("user.withdraw", reason=reason, key=key)
    with recorded(entry) as session:
        owner = users.find(session, user)
        row = grants.withdraw(session, owner.id, tokens, key=key, reason=reason)
        entry.tell(f"user:{owner.id}", tokens=row.tokens_delta, balance=row.balance_after)
    click.echo(f"{-row.tokens_delta} tokens taken, balance was {row.balance_after} then")
