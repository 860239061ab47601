"""Everything on one machine: `python local.py run` starts database, worker and server.

The demo and the tests of whole processes use Stack.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
import requests

import settings as environment
from children import Child, Program, tail
from db import embedded
from db.embedded import EmbeddedPostgres
from playground import Playground
from settings import Settings

ROOT = Path(__file__).parent
READY_SECONDS = 60.0
CLI_SECONDS = 120.0
POLL_SECONDS = 0.1
STOPPED = "stopped before it was ready"

# In the order of starting; they stop in the opposite one, so that nobody takes orders any more
# when the worker leaves.
PROGRAMS = (
    Program("worker", ("worker.py",), stop_seconds=25),
    Program("server", ("-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"), 35),
)


class StackError(RuntimeError):
    """The stack cannot start or has lost a part; the message says which and why."""


class Stack:
    """Database, migrations, seeds, sandbox, worker and server, with one life.

    state_dir: instead of STATE_DIR. changes: fields of Settings that win over the environment;
    port 0 chooses a free one. postgres_config: lines of postgresql.conf for the embedded server.
    programs: what runs beside database and sandbox, in the order of starting.
    start() must be called by a thread that lives as long as the stack: on Linux the parts stop
    when it ends, however it ends.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        postgres_config: Mapping[str, str] | None = None,
        programs: tuple[Program, ...] = PROGRAMS,
        **changes: Any,
    ) -> None:
        if state_dir is not None:
            changes["state_dir"] = state_dir
        self.playground = Playground(_completed(replace(environment.load(), **changes)))
        self.settings = self.playground.settings
        self.postgres: EmbeddedPostgres | None = None
        if not self.settings.database_url:
            folder = self.settings.state_dir / "postgres"
            self.postgres = EmbeddedPostgres(folder, extra_config=postgres_config)
        self.logs = self.settings.state_dir / "logs"
        self.children: list[Child] = []
        self._programs = programs
        self._leaving = threading.Event()

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The API as this machine reaches it; operations are under `{url}/v1`."""
        return _url(self.settings)

    @property
    def api_key(self) -> str:
        """A key for X-API-Key."""
        return self.settings.server_api_key[0]

    def start(self) -> None:
        """Return when the server is ready; StackError, with nothing left running, otherwise."""
        try:
            _refuse_taken_port(self.settings)
            self.logs.mkdir(parents=True, exist_ok=True)
            if self.postgres is not None:
                self.settings = replace(self.settings, database_url=self.postgres.start())
            self.cli("migrate")
            self.cli("seed")
            for program in (*self.playground.programs, *self._programs):
                self.launch(program)
            self._wait_until_ready()
            self.playground.furnish()
        except BaseException:
            self.stop()
            raise

    def launch(self, program: Program) -> Child:
        """Start a program as the newest part, which stop() will stop first."""
        environ = _environ(self.settings)
        child = Child(program, folder=ROOT, environ=environ, logs=self.logs)
        self.children.append(child)
        return child

    def stop(self) -> None:
        """Stop server, worker and database, in this order, each in bounded time."""
        while self.children:
            child = self.children.pop()
            if not child.stop():
                click.echo(f"{child.program.name} had to be killed, see {child.log}", err=True)
        if self.postgres is not None:
            self.postgres.stop()

    def leave(self) -> None:
        """Make start() fail or watch() return soon; for signal handlers and other threads."""
        self._leaving.set()

    def watch(self) -> None:
        """Return after leave(); StackError when a part ends by itself."""
        while not self._leaving.wait(POLL_SECONDS):
            self._refuse_dead_parts()

    def cli(self, *arguments: str) -> str:
        """What an operator's command prints; StackError when it fails."""
        if self._leaving.is_set():
            raise StackError(STOPPED)
        outcome = subprocess.run(  # noqa: S603 our own program
            [sys.executable, "cli.py", *arguments],
            cwd=ROOT,
            env=_environ(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CLI_SECONDS,
            check=False,
        )
        if outcome.returncode != 0:
            raise StackError(f"cli.py {' '.join(arguments)} failed:\n{outcome.stdout.strip()}")
        return outcome.stdout

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        trouble = "no answer"
        with requests.Session() as session:
            session.trust_env = False  # no proxy between us and ourselves
            session.headers["Connection"] = "close"  # an idle one delays the server's stop
            while time.monotonic() < deadline and not self._leaving.wait(POLL_SECONDS):
                self._refuse_dead_parts()
                try:
                    answer = session.get(f"{self.url}/v1/health/ready", timeout=5)
                except requests.RequestException as error:
                    trouble = type(error).__name__
                    continue
                if answer.status_code == requests.codes.ok:
                    return
                trouble = f"{answer.status_code} {answer.text}"
        if self._leaving.is_set():
            raise StackError(STOPPED)
        raise StackError(
            f"server is not ready after {READY_SECONDS:.0f} s: {trouble}\nLogs are in {self.logs}"
        )

    def _refuse_dead_parts(self) -> None:
        for child in self.children:
            if (code := child.exit_code()) is not None:
                raise StackError(
                    f"{child.program.name} ended by itself with code {code}:\n{tail(child.log)}"
                )
        if self.postgres is not None and self.postgres.exit_code() is not None:
            raise StackError(f"PostgreSQL ended by itself:\n{tail(self.postgres.log)}")


@click.group()
def cli() -> None:
    """Run the whole backend on this machine."""


@cli.command()
def run() -> None:
    """Start database, worker and server, and keep them up until Ctrl-C or SIGTERM."""
    try:
        stack = Stack()
        _on_signals(stack.leave)
        click.echo("Starting PostgreSQL, worker and server ...")
        with stack:
            _tell(stack)
            stack.watch()
            click.echo("Stopping server, worker and PostgreSQL ...")
        click.echo("Stopped.")
    except (RuntimeError, environment.SettingsError) as error:
        raise click.ClickException(str(error)) from error


def _on_signals(leave: Callable[[], None]) -> None:
    def handle(signum: int, frame: FrameType | None) -> None:
        leave()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handle)


def _tell(stack: Stack) -> None:
    database = "DATABASE_URL" if stack.postgres is None else f"embedded, log {stack.postgres.log}"
    click.echo(f"""
  API        {stack.url}/v1
  Docs       {stack.url}/v1/docs
  X-API-Key  {stack.api_key}
  Database   {database}
  Payments   {_payments(stack.playground)}
  Logs       {stack.logs}

Ctrl-C stops everything.""")


def _payments(playground: Playground) -> str:
    if not playground.played:
        return "real providers"
    return f"{', '.join(playground.played)} played by a sandbox at {playground.url}"


def _completed(settings: Settings) -> Settings:
    """Settings with what a machine of one's own need not be told: key, port, public address."""
    settings = replace(settings, state_dir=settings.state_dir.resolve())
    if not settings.port:
        settings = replace(settings, port=embedded.free_port())
    if not settings.server_api_key:
        settings = replace(settings, server_api_key=(_saved_key(settings.state_dir),))
    if settings.server_url == Settings.server_url:
        settings = replace(settings, server_url=_url(settings))
    return settings


def _url(settings: Settings) -> str:
    if settings.host in ("0.0.0.0", "::"):  # noqa: S104 compared only
        settings = replace(settings, host="127.0.0.1")
    return f"http://{settings.address}/api"


def _saved_key(folder: Path) -> str:
    """The key of this folder, which only we can read; made at the first call."""
    file = folder / "api.key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with open(descriptor, "w") as fresh:
            fresh.write(f"lp_{secrets.token_urlsafe(32)}")
        draft.rename(file)
    return file.read_text().strip()


def _refuse_taken_port(settings: Settings) -> None:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        raise StackError(
            f"Cannot listen on {settings.address}: {error.strerror}. Stop what "
            f"listens there, or choose another port: PORT={settings.port + 1} make run"
        ) from error


def _environ(settings: Settings) -> dict[str, str]:
    """Our environment, with every setting written out."""
    values = {each.name.upper(): _text(getattr(settings, each.name)) for each in fields(Settings)}
    return {**os.environ, **values}  # noqa: TID251 settings are read elsewhere; this is handed on


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    cli()
