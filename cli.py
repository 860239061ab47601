"""The operator's commands: `python cli.py --help`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from uuid import UUID

import click

import settings
from db import reading, schema, snapshot, transaction
from db.models import Job
from db.session import database_url
from errors import ApiError
from services import catalog, grants, jobs, ledger, operations, users


class Tokens(click.ParamType[Decimal]):
    """An amount of tokens: more than 0, at most two decimals."""

    name = "tokens"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not amount.is_finite() or amount <= 0 or amount != ledger.rounded(amount):
            self.fail("must be more than 0 with at most two decimals", param, ctx)
        return amount


@click.group()
def cli() -> None:
    """Operate the Live Photo backend. Settings come from the environment and .env."""


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    schema.upgrade(database_url())
    click.echo(f"database is at {schema.head()}")


@cli.command()
def seed() -> None:
    """Add missing generation models and tariffs; changes nothing that is there."""
    with transaction() as session:
        added = catalog.seed(session)
    click.echo(f"{added} rows added")


@cli.command()
@click.argument("user")
@click.argument("tokens", type=Tokens())
@click.option("--key", required=True, help="the same key grants once")
@click.option("--reason", required=True, help="kept in the ledger")
def grant(user: str, tokens: Decimal, key: str, reason: str) -> None:
    """Give USER (id or telegramId) TOKENS; the user's waiting jobs start with it."""
    with transaction() as session:
        owner = users.find(session, user)
        row = grants.grant(session, owner.id, tokens, key=key, reason=reason)
    click.echo(f"{row.tokens_delta} tokens given, balance was {row.balance_after} then")


@cli.command()
@click.argument("user")
@click.argument("tokens", type=Tokens())
@click.option("--key", required=True, help="the same key withdraws once")
@click.option("--reason", required=True, help="kept in the ledger")
def withdraw(user: str, tokens: Decimal, key: str, reason: str) -> None:
    """Take TOKENS from USER (id or telegramId)."""
    with transaction() as session:
        owner = users.find(session, user)
        row = grants.withdraw(session, owner.id, tokens, key=key, reason=reason)
    click.echo(f"{-row.tokens_delta} tokens taken, balance was {row.balance_after} then")


@cli.group()
def user() -> None:
    """People."""


@user.command("show")
@click.argument("user")
def user_show(user: str) -> None:
    """Balance, last transactions and last jobs of USER (id or telegramId)."""
    with reading() as session:
        person = users.find(session, user)
        history = ledger.history(session, person.id, limit=10, cursor=None).rows
        orders = jobs.of_user(session, person.id, limit=10, cursor=None).rows
    click.echo(f"{person.id}  telegram {person.telegram_id}  @{person.username or '-'}")
    click.echo(f"balance {person.balance_tokens} tokens, consent {person.consent_pd}")
    _table(
        ("when", "type", "status", "tokens", "rub", "balance"),
        (
            (t.created_at, t.type, t.status, t.tokens_delta, t.amount_rub, t.balance_after)
            for t in history
        ),
    )
    _jobs_table(orders)


@cli.group("ledger")
def ledger_group() -> None:
    """The books."""


@ledger_group.command("check")
def ledger_check() -> None:
    """Prove the books of all users; exit code 1 and the rows at fault when a rule is broken."""
    with snapshot() as session:
        found = ledger.violations(session)
    for rule, rows in found.items():
        click.echo(f"{'FAIL' if rows else 'ok  '} {rule}{': ' + ', '.join(rows) if rows else ''}")
    sys.exit(any(found.values()))


@cli.group("jobs")
def jobs_group() -> None:
    """Orders and the queue."""


@jobs_group.command("list")
@click.option("--status", type=click.Choice(["waiting_payment", "queued", "processing", "failed"]))
@click.option("--limit", default=20, show_default=True)
def jobs_list(status: str | None, limit: int) -> None:
    """The newest jobs of all users."""
    with reading() as session:
        rows = operations.recent_jobs(session, status=status, limit=limit)
    _jobs_table(rows)


@jobs_group.command("retry")
@click.argument("job_id", type=click.UUID)
def jobs_retry(job_id: UUID) -> None:
    """Do JOB_ID again: a failed one as a new order, a stuck one by another worker."""
    with transaction() as session:
        job = operations.retry(session, job_id)
    click.echo(f"job {job.id} is {job.status}")


@jobs_group.command("fail")
@click.argument("job_id", type=click.UUID)
@click.option("--reason", required=True, help="shown to the customer")
def jobs_fail(job_id: UUID, reason: str) -> None:
    """End a live JOB_ID as failed; its tokens go back."""
    with transaction() as session:
        job = operations.fail(session, job_id, reason=reason)
    click.echo(f"job {job.id} is {job.status}, {job.price_tokens} tokens of price not kept")


@cli.command("settings")
def show_settings() -> None:
    """Effective settings, secrets masked, and what production still needs."""
    current = settings.load()
    _table(("setting", "value", "meaning"), settings.described(current))
    missing = settings.missing_for_production(current)
    click.echo("\nMissing for production:" if missing else "\nReady for production.")
    for advice in missing:
        click.echo(f"  - {advice}")


def _jobs_table(rows: Iterable[Job]) -> None:
    _table(
        ("job", "order", "service", "status", "tries", "created", "why"),
        (
            (j.id, j.number, j.service_type, j.status, j.attempt, j.created_at, _why(j))
            for j in rows
        ),
    )


def _why(job: Job) -> str:
    return str(job.meta.get("error", job.meta.get("lastError", {})).get("code", ""))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [tuple(head), *(tuple("" if v is None else str(v) for v in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Run a command; a refusal is one line and exit code 1, not a stack trace."""
    try:
        cli.main(standalone_mode=False)
    except (ApiError, settings.SettingsError, ledger.NotEnoughTokens, RuntimeError) as error:
        click.echo(f"error: {error or type(error).__name__}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
