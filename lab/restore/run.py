"""One rehearsal: customers at work; the database is lost and restored; the work goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.client import Client, Tally
from lab.chaos.customers import Customers
from lab.chaos.sandbox_control import SandboxControl
from lab.chaos.system import System, clear
from lab.restore import audit
from lab.restore.archive import ArchivedPostgres
from lab.restore.audit import KnownIds
from lab.restore.files import look_at_files
from lab.restore.money import recover_payments
from local.postgres.throwaway import state_folder
from settings.databases import in_psycopg2

CUSTOMERS = 6
ARCHIVE_SECONDS = 10
WORK_SECONDS = 10.0  # after the restore


@dataclass
class World:
    """What a step after the restore may look at and use; servers and workers are stopped.

    known: what customers had been told before `moment`; books: all that they were told, before and
    after it.
    """

    system: System
    postgres: ArchivedPostgres
    control: SandboxControl
    moment: datetime
    known: KnownIds
    books: Books
    checks: list[Check] = field(default_factory=list)

    def session(self) -> Session:
        """The restored database."""
        return Session(create_engine(in_psycopg2(self.postgres.url), poolclass=NullPool))


def look_at_rows(world: World) -> None:
    """The books and the rows of the database as it was restored."""
    with world.session() as session:
        world.checks += audit.rows(session, world.known, world.books, world.moment)


# What the runbook does between the restore and the start of servers and workers, in its order.
STEPS: list[Callable[[World], None]] = [look_at_rows, recover_payments, look_at_files]


@dataclass
class Drill:
    """A run: so many seconds of load `before` the moment, and `after` it."""

    folder: Path
    seed: int
    before: float
    after: float
    tally: Tally = field(default_factory=Tally)
    restore_seconds: float = 0.0
    rolled_back: int = 0  # acknowledged after the moment
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> list[Check]:
        """All of it. MissingProgramError; RuntimeError when it cannot start here."""
        clear(self.folder)
        with state_folder("drill") as archive:
            postgres = ArchivedPostgres(archive, archive_seconds=ARCHIVE_SECONDS)
            try:
                return self._rehearse(postgres)
            finally:
                postgres.stop()

    def _rehearse(self, postgres: ArchivedPostgres) -> list[Check]:
        with System(self.folder, database_url=postgres.url) as system:
            control = SandboxControl(system.stack.simulated.url)
            first, second = system.servers
            control.connect({"yookassa": first.url, "stripe": second.url})
            self._say("full backup")
            postgres.back_up()
            world = self._load(system, postgres, control)
            for part in system.parts:
                part.kill()
            postgres.archive()
            postgres.lose()
            self._say(f"the database is lost; restored to {world.moment}")
            started = time.monotonic()
            postgres.restore(world.moment)
            self.restore_seconds = time.monotonic() - started
            for step in STEPS:
                self._say(step.__name__.replace("_", " "))
                step(world)
            self._go_on(world)
            world.checks.append(Check("no program logs a bug", len(system.parts), system.bugs()))
            return world.checks

    def _load(self, system: System, postgres: ArchivedPostgres, control: SandboxControl) -> World:
        """Customers at work until the database is lost; the moment lies between."""
        books = Books()
        self._say(f"{CUSTOMERS} customers at work")
        with self._customers(system, control, books, self.seed).busy():
            time.sleep(self.before)
            known, moment = audit.known_ids(books), postgres.now()
            self._say(f"the moment: {moment}")
            time.sleep(self.after)
        self.rolled_back = sum(
            len(ids - known[name]) for name, ids in audit.known_ids(books).items()
        )
        return World(system, postgres, control, moment, known, books)

    def _go_on(self, world: World) -> None:
        """Servers and workers start, and new customers find that all works."""
        for part in world.system.parts:
            part.restart()
        for server in world.system.servers:
            server.wait_until_ready()
        self._say("servers and workers run again, new customers")
        failed, done = len(self.tally.failed), self.tally.done.total()
        with self._customers(world.system, world.control, Books(), self.seed + 1).busy():
            time.sleep(WORK_SECONDS)
        done = self.tally.done.total() - done
        world.checks.append(
            Check("operations after the restore succeed", done, self.tally.failed[failed:])
        )

    def _customers(
        self, system: System, control: SandboxControl, books: Books, seed: int
    ) -> Customers:
        urls = [server.url for server in system.servers]
        key = system.stack.api_key
        return Customers(
            CUSTOMERS,
            seed,
            make_client=lambda chance: Client(urls, key, self.tally, chance),
            control=control,
            books=books,
        )

    def _say(self, what: str) -> None:
        seconds = time.monotonic() - self._started
        click.echo(f"{seconds:4.0f} s  {self.tally.done.total():6} operations  {what}")
