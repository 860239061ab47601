"""Rounds: customers and strangers at work, a case played once or a few times, then the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import click
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from lab.chaos import afterwards
from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.client import Client, Tally
from lab.chaos.customers import FIRST_TELEGRAM_ID, Customers
from lab.chaos.sandbox_control import SandboxControl
from lab.chaos.system import System, clear
from lab.failover import rows
from lab.failover.cases import TWO_PRIMARIES, Case, Database, Stage
from lab.failover.report import Round
from lab.failover.watch import Watch

CUSTOMERS = 4
WORKERS = (("-m", "lab.chaos.quick_worker"),) * 2  # photos are not what is looked at
WARM_OPERATIONS = 30  # of customers before anything is broken
WARM_SECONDS = 60.0
PAUSE_SECONDS = 1.0  # between two times
LOSSES_SHOWN = 5
IDS = 100_000  # of customers in a round, at most


class World:
    """Servers and workers on a database that cases break; `rounds` go on with the same books."""

    def __init__(self, system: System, *, seed: int, customers: int) -> None:
        self._system = system
        self._seed = seed
        self._customers = customers
        self._books = Books()
        self._rounds = 0
        self._control = SandboxControl(system.stack.simulated.url)
        first, second = system.servers
        self._control.connect({"yookassa": first.url, "stripe": second.url})

    def play(self, case: Case[Database], database: Database) -> Round:
        """One round of a case."""
        self._rounds += 1
        tally = Tally()
        watch = Watch([server.url for server in self._system.servers], self._system.stack.api_key)
        stage = Stage(database, self._system, watch, self._books)
        silences = []
        with watch.busy(), self._busy(tally):
            self._warm_up(watch, tally)
            for _ in range(case.times):
                began = time.monotonic()
                case.play(stage)
                watch.wait_for_writes()
                silences.append(watch.longest_silence(began))
                time.sleep(PAUSE_SECONDS)
        self._system.restart_ended()
        return Round(case, silences, tally, watch, list(self._checks(stage, tally)), stage.notes)

    def bugs(self) -> list[str]:
        """Errors in the logs of servers and workers."""
        return [bug for bug in self._system.bugs() if TWO_PRIMARIES not in bug]

    def _busy(self, tally: Tally) -> AbstractContextManager[None]:
        return Customers(
            self._customers,
            self._seed + 1000 * self._rounds,  # others than before, with other keys
            make_client=lambda chance: self._client(tally, chance),
            control=self._control,
            books=self._books,
            first_id=FIRST_TELEGRAM_ID + IDS * self._rounds,
        ).busy()

    def _warm_up(self, watch: Watch, tally: Tally) -> None:
        deadline = time.monotonic() + WARM_SECONDS
        watch.wait_for_writes()
        while tally.done.total() < WARM_OPERATIONS and time.monotonic() < deadline:
            time.sleep(0.1)

    def _checks(self, stage: Stage[Database], tally: Tally) -> Iterator[Check]:
        yield from stage.findings
        url = self._system.database_url
        there = rows.acknowledged(url, rows.promised(self._books, stage.watch.acknowledged()))
        yield there
        if there.losses:  # the rest would wait in vain for a payment that is gone to be credited
            return
        engine = create_engine(url, poolclass=NullPool)
        client = self._client(tally, Random(self._seed))
        yield from afterwards.checks(self._system, engine, self._books, client, self._control)
        client.close()

    def _client(self, tally: Tally, chance: Random) -> Client:
        urls = [server.url for server in self._system.servers]
        return Client(urls, self._system.stack.api_key, tally, chance)


def play(
    folder: Path,
    open_database: Callable[[Path], AbstractContextManager[Database]],
    cases: Sequence[Case[Database]],
    *,
    seed: int,
    customers: int,
) -> tuple[list[Round], list[str]]:
    """Each of `cases`, a round each, on one database; and what is in the logs at the end."""
    clear(folder)
    rounds = []
    with (
        open_database(folder / "database") as database,
        System(folder / "system", database_url=database.url, workers=WORKERS) as system,
    ):
        world = World(system, seed=seed, customers=customers)
        for case in cases:
            click.echo(f"{case.name}: {case.words}")
            rounds.append(played := world.play(case, database))
            click.echo("\n  LOST  ".join((f"  {played.summary}", *played.lost[:LOSSES_SHOWN])))
        return rounds, world.bugs()
