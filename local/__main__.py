"""`python -m local run`: database, worker, server, console and bot on this machine until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import click

import settings as environment
from local.simulation import SimulatedProviders
from local.stack import BOT, CONSOLE, PROGRAMS, Stack


@click.group()
def cli() -> None:
    """Run the whole backend on this machine."""


@cli.command()
@click.option("--bot/--no-bot", "with_bot", default=True, help="Whether the bot is started, too.")
@click.option(
    "--sandbox-port",
    type=int,
    help="Port of the sandbox with the chat page, 0 for a free one; PORT + 2 if not given.",
)
@click.option(
    "--console-port",
    type=int,
    help="Port of the operator's console, 0 for a free one; PORT + 1 if not given.",
)
def run(with_bot: bool, sandbox_port: int | None, console_port: int | None) -> None:
    """Start database, worker, server, console and bot; keep them up until Ctrl-C or SIGTERM."""
    try:
        port = environment.load().port
        programs = (*PROGRAMS, CONSOLE, BOT) if with_bot else (*PROGRAMS, CONSOLE)
        stack = Stack(
            programs=programs,
            sandbox_port=port + 2 if sandbox_port is None else sandbox_port,
            console_port=port + 1 if console_port is None else console_port,
        )
        _on_signals(stack.request_stop)
        parts = "worker, server, console and bot" if with_bot else "worker, server and console"
        click.echo(f"Starting PostgreSQL, {parts} ...")
        with stack:
            _print_summary(stack)
            stack.watch()
            click.echo("Stopping everything ...")
        click.echo("Stopped.")
    except (RuntimeError, environment.SettingsError) as error:
        raise click.ClickException(str(error)) from error


@cli.command()
def bot() -> None:
    """Run the bot alone, against Telegram with TELEGRAM_BOT_TOKEN, else against `make run`."""
    if not environment.load().telegram_bot_token:
        environment.find_sandbox()
    if not environment.load().telegram_bot_token:
        raise click.ClickException(
            "No Telegram. Set TELEGRAM_BOT_TOKEN, or start the simulated one in another terminal: "
            "make run ARGS=--no-bot"
        )
    # The bot takes the place of this process.
    os.execve(sys.executable, [sys.executable, *BOT.arguments], Stack().environ())  # noqa: S606


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
  Console    {_console(stack)}
  Chat       {_chat(stack.simulated)}
  Bot        {_bot(stack)}
  Bot-API    {_bot_api(stack.simulated)}
  Database   {database}
  Payments   {_payments(stack.simulated)}
  Engines    {_engines(stack.simulated)}
  Metrics    {_metrics(stack)}
  Logs       {stack.logs}

Ctrl-C stops everything.""")


def _console(stack: Stack) -> str:
    return stack.new_console_link() or stack.settings.console_origin


def _payments(simulated: SimulatedProviders) -> str:
    if not simulated.payment_providers:
        return "real providers"
    return f"{', '.join(simulated.payment_providers)} simulated by a sandbox at {simulated.url}"


def _chat(simulated: SimulatedProviders) -> str:
    return simulated.chat_url or "in the real Telegram"


def _bot(stack: Stack) -> str:
    running = any(child.program == BOT for child in stack.children)
    return f"@{stack.settings.telegram_bot_username}" if running else "none: make bot starts one"


def _bot_api(simulated: SimulatedProviders) -> str:
    if not simulated.chat_url:
        return simulated.settings.telegram_api_url
    # The token is the sandbox's own, which anybody may know.
    settings = simulated.settings
    return f"{settings.telegram_api_url} with the token {settings.telegram_bot_token}"


def _metrics(stack: Stack) -> str:
    address = stack.settings.metrics_address
    return (
        f"http://{address}/metrics" if address else "none: METRICS_ADDRESS=127.0.0.1:9108 make run"
    )


def _engines(simulated: SimulatedProviders) -> str:
    if not simulated.engines:
        return "built in, and real ones"
    return (
        f"built in, and {', '.join(simulated.engines)} simulated by the sandbox at {simulated.url}"
    )


if __name__ == "__main__":
    cli()
