"""Everything on one machine; also used by the demo and by tests of whole processes."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import requests
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

import settings as environment
from db.connections import URL_FILE
from local import database, ports, secret_files
from local.client import Client
from local.postgres.embedded import EmbeddedPostgres
from local.processes import ROOT, Child, Program, tail
from local.simulation import SimulatedProviders
from settings import Settings
from settings.databases import in_psycopg2
from telemetry.metrics import scrape

READY_SECONDS = 60.0
CLI_SECONDS = 120.0
POLL_SECONDS = 0.1
STOPPED = "stopped before it was ready"

WORKER = Program("worker", ("-m", "worker"), stop_seconds=25)
SERVER = Program("server", ("-m", "gunicorn"), stop_seconds=35)
BOT = Program("bot", ("-m", "bot"), stop_seconds=10)
CONSOLE = Program("console", ("-m", "console"), stop_seconds=10)
# In start order; they stop in reverse, so that no orders are accepted any more when the worker
# stops.
PROGRAMS = (WORKER, SERVER)


class StackError(RuntimeError):
    """The stack cannot start or has lost a part; the message says which part and why."""


class Stack:
    """Database, migrations, seeds, sandbox, worker and server, started and stopped together.

    state_dir: instead of STATE_DIR. changes: fields of Settings that override the environment;
    port 0 chooses a free one. postgres_config: lines of postgresql.conf for the embedded server.
    programs: what runs beside database and sandbox, in start order. prepare: what database.prepare
    does, with the code of the programs. sandbox_port: 0 chooses a free one.
    start() must be called by a thread that lives as long as the stack: on Linux the parts stop
    when that thread ends, however it ends.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        postgres_config: Mapping[str, str] | None = None,
        programs: tuple[Program, ...] = PROGRAMS,
        prepare: Callable[[str, Collection[str]], None] = database.prepare,
        sandbox_port: int = 0,
        **changes: Any,
    ) -> None:
        if state_dir is not None:
            changes["state_dir"] = state_dir
        settings = _complete(replace(environment.load(), **changes))
        self.simulated = SimulatedProviders(settings, sandbox_port)
        self.settings = self.simulated.settings
        self.postgres: EmbeddedPostgres | None = None
        if not self.settings.database_url:
            folder = self.settings.state_dir / "postgres"
            self.postgres = EmbeddedPostgres(folder, extra_config=postgres_config)
        self.logs = self.settings.state_dir / "logs"
        self.children: list[Child] = []
        self._programs = programs
        self._prepare = prepare
        self._stop_requested = threading.Event()

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL of the API on this machine; operations are under `{url}/v1`."""
        return _url(self.settings)

    @property
    def api_key(self) -> str:
        """A key for X-API-Key."""
        return self.settings.server_api_key[0]

    def new_console_link(self) -> str | None:
        """Where the first operator comes in, once; None when somebody has come in before.

        It takes the place of the one before.
        """
        token = database.new_first_link(in_psycopg2(self.settings.database_url))
        return token and f"{self.settings.console_origin}/join/{token}"

    def start(self) -> None:
        """Return when the server is ready; otherwise StackError, with nothing left running."""
        try:
            _check_port(self.settings.host, self.settings.port, "PORT={port} make run")
            if CONSOLE in self._programs:
                hint = 'make run ARGS="--console-port {port}"'
                _check_port(self.settings.console_host, self.settings.console_port, hint)
            if self.simulated.port:
                hint = 'make run ARGS="--sandbox-port {port}"'
                _check_port("127.0.0.1", self.simulated.port, hint)
            if self.settings.metrics_address:
                self._share_metrics()
            self.logs.mkdir(parents=True, exist_ok=True)
            if self.postgres is not None:
                self._start_database(self.postgres)
            self._prepare_database()
            self._tell_commands_of_the_sandbox()
            for program in (*self.simulated.programs, *self._programs):
                self.launch(program)
            self._wait_until_ready()
            self.simulated.furnish()
        except BaseException:
            self.stop()
            raise

    def launch(self, program: Program) -> Child:
        """Start a program as the newest part, the first one that stop() will stop."""
        child = Child(program, environ=self.environ(), logs=self.logs)
        self.children.append(child)
        return child

    def environ(self) -> dict[str, str]:
        """Our environment with all settings, for a program of the stack."""
        values = {
            each.name.upper(): _text(getattr(self.settings, each.name)) for each in fields(Settings)
        }
        return {**os.environ, **values}  # noqa: TID251 settings are read elsewhere; this is passed on

    def stop(self) -> None:
        """Stop server, worker and database, in that order, each in bounded time."""
        while self.children:
            child = self.children.pop()
            if not child.stop():
                click.echo(f"{child.program.name} had to be killed, see {child.log}", err=True)
        scrape.remove_own_folder()
        if self.postgres is not None:
            self._url_file.unlink(missing_ok=True)
            self._sandbox_file.unlink(missing_ok=True)
            self.postgres.stop()

    def request_stop(self) -> None:
        """Make start() fail or watch() return soon; for signal handlers and other threads."""
        self._stop_requested.set()

    def watch(self) -> None:
        """Wait for request_stop(); StackError when a part ends by itself."""
        while not self._stop_requested.wait(POLL_SECONDS):
            self._check_parts()

    def cli(self, *arguments: str) -> str:
        """Run an operator's command; its output, or StackError when it fails."""
        if self._stop_requested.is_set():
            raise StackError(STOPPED)
        outcome = subprocess.run(  # noqa: S603 our own program
            [sys.executable, "cli.py", *arguments],
            cwd=ROOT,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CLI_SECONDS,
            check=False,
        )
        if outcome.returncode != 0:
            raise StackError(f"cli.py {' '.join(arguments)} failed:\n{outcome.stdout.strip()}")
        return outcome.stdout

    def _share_metrics(self) -> None:
        """The server shows those of the worker, too, which could not listen at the same address."""
        host, _, port = self.settings.metrics_address.rpartition(":")
        _check_port(host.strip("[]"), int(port), "METRICS_ADDRESS=127.0.0.1:{port} make run")
        self.settings = replace(self.settings, metrics_folder=str(scrape.new_folder()))

    def _start_database(self, postgres: EmbeddedPostgres) -> None:
        url = postgres.start()
        self._url_file.unlink(missing_ok=True)  # of a stack that was killed
        secret_files.remembered(self._url_file, lambda: url)
        self.settings = replace(self.settings, database_url=url)

    def _prepare_database(self) -> None:
        try:
            url = in_psycopg2(self.settings.database_url)
            self._prepare(url, self.simulated.engines)
        except (SQLAlchemyError, CommandError, RuntimeError) as error:
            raise StackError(f"The database cannot be prepared: {error}") from error

    def _tell_commands_of_the_sandbox(self) -> None:
        if self.postgres is None:
            return
        self._sandbox_file.unlink(missing_ok=True)
        environ = self.environ()
        names = [*self.simulated.filled_in, "erasure_key"]
        lines = [f"{name.upper()}='{environ[name.upper()]}'\n" for name in names]
        secret_files.remembered(self._sandbox_file, lambda: "".join(lines))

    @property
    def _sandbox_file(self) -> Path:
        return self.settings.state_dir / environment.SANDBOX_FILE

    @property
    def _url_file(self) -> Path:
        """Tells the operator's commands, which are other processes, where the database is."""
        return self.settings.state_dir / URL_FILE

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        trouble = "no answer"
        with Client(self.url, self.api_key) as client:
            while time.monotonic() < deadline and not self._stop_requested.wait(POLL_SECONDS):
                self._check_parts()
                try:
                    answer = client.send("GET", "/health/ready")
                except requests.RequestException as error:
                    trouble = type(error).__name__
                    continue
                if answer.status_code == requests.codes.ok:
                    return
                trouble = f"{answer.status_code} {answer.text}"
        if self._stop_requested.is_set():
            raise StackError(STOPPED)
        raise StackError(
            f"server is not ready after {READY_SECONDS:.0f} s: {trouble}\nLogs are in {self.logs}"
        )

    def _check_parts(self) -> None:
        for child in self.children:
            if (code := child.exit_code()) is not None:
                raise StackError(
                    f"{child.program.name} ended by itself with code {code}:\n{tail(child.log)}"
                )
        if self.postgres is not None and self.postgres.exit_code() is not None:
            raise StackError(f"PostgreSQL ended by itself:\n{tail(self.postgres.log)}")


def _complete(settings: Settings) -> Settings:
    """Settings with the local defaults filled in: key, port, public address."""
    settings = replace(settings, state_dir=settings.state_dir.resolve())
    if not settings.port:
        settings = replace(settings, port=ports.reserve())
    if not settings.console_port:
        settings = replace(settings, console_port=ports.reserve())
    if not settings.server_api_key:
        settings = replace(settings, server_api_key=(_key(settings.state_dir),))
    if not settings.erasure_key and not settings.production:
        settings = replace(settings, erasure_key=(_erasure_key(settings.state_dir),))
    if settings.server_url == Settings.server_url:
        settings = replace(settings, server_url=_url(settings))
    return settings


def _url(settings: Settings) -> str:
    if settings.host in ("0.0.0.0", "::"):  # noqa: S104 compared only
        settings = replace(settings, host="127.0.0.1")
    return f"http://{settings.address}/api"


def _key(state_dir: Path) -> str:
    """The key of this machine, made at the first call."""
    return secret_files.remembered(
        state_dir / "api.key", lambda: f"lp_{secrets.token_urlsafe(32)}"
    ).strip()


def _erasure_key(state_dir: Path) -> str:
    """What erased accounts of this machine are recognised by, made at the first call."""
    return secret_files.remembered(state_dir / "erasure.key", lambda: secrets.token_hex(32)).strip()


def _check_port(host: str, port: int, hint: str) -> None:
    """StackError when somebody listens there already; hint: how another port is chosen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise StackError(
            f"Cannot listen on {address}: {error.strerror}. Stop what "
            f"listens there, or choose another port: {hint.format(port=port + 1)}"
        ) from error


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
