"""The operator's commands: `python cli.py --help`."""

from __future__ import annotations

import getpass
import logging
import os
import sys

import click
from sqlalchemy.exc import OperationalError

import settings
from commands import (
    channels,
    doctor,
    engines,
    figures,
    files,
    jobs,
    ledger,
    lotteries,
    models,
    operators,
    outbox,
    payments,
    reviews,
    storage,
    support,
    tariffs,
    users,
)
from commands.shapes import table
from db import schema
from db.connections import direct_url
from db.session import set_limits
from errors import ApiError, with_reason
from services import audit, catalog
from services.audit import Entry
from services.ledger import NotEnoughTokens
from workflows.actions import recorded


@click.group()
@click.option("--operator", help="who acts, for the audit; without it, who is logged in here")
def cli(operator: str | None) -> None:
    """Operate the Live Photo backend. Settings come from the environment and .env."""
    settings.find_sandbox()
    audit.actor.set(audit.Actor(operator or _logged_in(), "command"))


def _logged_in() -> str:
    """The user of the system, by number where it has no name for them, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema; servers of the version before go on meanwhile."""
    at = schema.upgrade(direct_url())
    if settings.load().database_direct_url:
        set_limits(direct_url())
    newer = ", newer than this code, which it serves" if at > schema.head() else ""
    click.echo(f"database is at {at}{newer}")


@cli.command()
def seed() -> None:
    """Add missing generation models and tariffs; changes nothing that is there."""
    entry = Entry("catalog.seed")
    with recorded(entry) as session:
        added = catalog.seed(session)
        entry.after = {"rows": added}
    click.echo(f"{added} rows added")


@cli.command("settings")
def show_settings() -> None:
    """Effective settings, with secrets masked, and what production still needs."""
    current = settings.load()
    table(("setting", "value", "meaning"), settings.described(current))
    missing = settings.missing_for_production(current)
    click.echo("\nMissing for production:" if missing else "\nReady for production.")
    for advice in missing:
        click.echo(f"  - {advice}")


for command in (
    users.user,
    users.grant,
    users.withdraw,
    jobs.jobs_group,
    payments.payments_group,
    payments.events,
    tariffs.tariffs_group,
    models.models_group,
    engines.engines_group,
    lotteries.lottery,
    reviews.reviews_group,
    channels.channels,
    outbox.outbox_group,
    figures.figures_group,
    ledger.ledger_group,
    files.files_group,
    doctor.doctor,
    support.support_group,
    storage.storage_group,
    operators.operators_group,
):
    cli.add_command(command)


def main() -> None:
    """Run a command; a refusal is one line and exit code 1 or 2, not a stack trace."""
    # A refusal names its cause; warnings logged on the way would be printed as well.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        cli.main(standalone_mode=False)
    except NotEnoughTokens:
        click.echo("error: the balance is smaller than that", err=True)
        sys.exit(1)
    except (ApiError, settings.SettingsError, ValueError, RuntimeError) as error:
        click.echo(f"error: {with_reason(error)}", err=True)
        sys.exit(1)
    except OperationalError as error:  # of `migrate`, which has a connection of its own
        click.echo(f"error: {str(error.orig).strip()}", err=True)
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        sys.exit(asked.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
