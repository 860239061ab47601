"""One run, from the first customer to the audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from lab.chaos import afterwards, schedule, settling
from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.client import Client, Tally
from lab.chaos.customers import Customers
from lab.chaos.faults import Target
from lab.chaos.report import Report, RollingRestarts
from lab.chaos.sandbox_control import SandboxControl
from lab.chaos.schedule import FaultRunner
from lab.chaos.system import System

CUSTOMERS = 8
PROGRESS_SECONDS = 5.0


class Run:
    """Customers under `seconds` of faults, then under `rounds` of rolling restarts."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        seconds: float,
        rounds: int,
        customers: int,
        pooled: bool = False,
    ) -> None:
        self.tally = Tally()
        self.books = Books()
        self._folder = folder
        self._seed = seed
        self._seconds = seconds
        self._rounds = rounds
        self._customers = customers
        self._pooled = pooled
        self._counted: Counter[str] = Counter()
        self._started = self._printed = time.monotonic()

    def report(self) -> Report:
        """Run all of it; RuntimeError when it cannot start here."""
        with System(self._folder, pooled=self._pooled) as system:
            control = SandboxControl(system.stack.simulated.url)
            first, second = system.servers
            control.connect({"yookassa": first.url, "stripe": second.url})
            target = Target(system, control, Random(self._seed))
            runner = FaultRunner(
                target,
                self._counted,
                tick=lambda: self._report_progress(*runner.under_way.values()),
            )
            customers = Customers(
                self._customers,
                self._seed,
                make_client=lambda chance: self._client(system, chance),
                control=control,
                books=self.books,
            )
            with customers.busy():
                runner.run(schedule.plan(self._seconds, target.chance, pooled=self._pooled))
                for server in system.servers:
                    server.wait_until_ready()
                restarts = self._restart_servers(system)
            control.reset()
            control.reset_engines()
            checks = list(self._audit(system, control))
            bugs = system.bugs()
        return Report(
            self._seed,
            self._seconds,
            self.tally,
            self._counted,
            runner.ended,
            restarts,
            checks,
            bugs,
        )

    def _restart_servers(self, system: System) -> RollingRestarts:
        done, failed, repeats = (
            self.tally.done.total(),
            len(self.tally.failed),
            self.tally.repeats.copy(),
        )
        self._print("rolling restarts")
        stops = list(schedule.rolling_restarts(system, self._rounds, tick=self._report_progress))
        return RollingRestarts(
            stops=[seconds for seconds, _ in stops],
            stuck=sum(not in_time for _, in_time in stops),
            operations=self.tally.done.total() - done,
            failed=len(self.tally.failed) - failed,
            repeats=self.tally.repeats - repeats,
        )

    def _audit(self, system: System, control: SandboxControl) -> Iterator[Check]:
        engine = create_engine(system.database_url, poolclass=NullPool)
        client = self._client(system, Random(self._seed))
        self._print("waiting until all has come to rest, then audit")
        yield from afterwards.checks(system, engine, self.books, client, control)
        client.close()
        self._print("a day later")
        yield settling.let_a_day_pass(system, engine)

    def _client(self, system: System, chance: Random) -> Client:
        urls = [server.url for server in system.servers]
        return Client(urls, system.stack.api_key, self.tally, chance)

    def _report_progress(self, *under_way: str) -> None:
        """Print a line every few seconds."""
        if time.monotonic() - self._printed >= PROGRESS_SECONDS:
            self._print(", ".join(under_way))

    def _print(self, what: str) -> None:
        self._printed = time.monotonic()
        click.echo(
            f"{self._printed - self._started:4.0f} s  {self.tally.done.total():6} operations  "
            f"{self._counted.total():3} faults  {self.tally.repeats.total():5} sent again  "
            f"{self.tally.waiting:2} waiting  {len(self.tally.failed)} failed  {what}"
        )
