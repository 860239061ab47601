"""`python -m local run`: database, worker and server on this machine until Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

import click

import settings as environment
from local.simulation import SimulatedProviders
from local.stack import Stack


@click.group()
def cli() -> None:
    """Run the whole backend on this machine."""


@cli.command()
def run() -> None:
    """Start database, worker and server, and keep them up until Ctrl-C or SIGTERM."""
    try:
        stack = Stack()
        _on_signals(stack.request_stop)
        click.echo("Starting PostgreSQL, worker and server ...")
        with stack:
            _print_summary(stack)
            stack.watch()
            click.echo("Stopping server, worker and PostgreSQL ...")
        click.echo("Stopped.")
    except (RuntimeError, environment.SettingsError) as error:
        raise click.ClickException(str(error)) from error


def _on_signals(request_stop: Callable[[], None]) -> None:
    def handle(signum: int, frame: FrameType | None) -> None:
        request_stop()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handle)


def _print_summary(stack: Stack) -> None:
    database = "DATABASE_URL" if stack.postgres is None else f"embedded, log {stack.postgres.log}"
    click.echo(f"""
  API        {stack.url}/v1
  Docs       {stack.url}/v1/docs
  X-API-Key  {stack.api_key}
  Database   {database}
  Payments   {_payments(stack.simulated)}
  Engines    {_engines(stack.simulated)}
  Logs       {stack.logs}

Ctrl-C stops everything.""")


def _payments(simulated: SimulatedProviders) -> str:
    if not simulated.payment_providers:
        return "real providers"
    return f"{', '.join(simulated.payment_providers)} simulated by a sandbox at {simulated.url}"


def _engines(simulated: SimulatedProviders) -> str:
    if not simulated.engines:
        return "built in, and real ones"
    return (
        f"built in, and {', '.join(simulated.engines)} simulated by the sandbox at {simulated.url}"
    )


if __name__ == "__main__":
    cli()
