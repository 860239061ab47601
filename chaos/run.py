"""One run, from the first customer to the audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from chaos import audit, faults, settling
from chaos.audit import Check
from chaos.books import Books
from chaos.client import Client, Tally
from chaos.crew import Crew
from chaos.customers import Customers
from chaos.faults import Storm, World
from chaos.levers import Levers
from chaos.report import Report, Rolled

CUSTOMERS = 8
TELL_SECONDS = 5.0


class Run:
    """Customers under a storm of `seconds`, then under `rounds` of rolling restarts."""

    def __init__(self, folder: Path, *, seed: int, seconds: float, rounds: int) -> None:
        self.tally = Tally()
        self.books = Books()
        self._folder = folder
        self._seed = seed
        self._seconds = seconds
        self._rounds = rounds
        self._counted: Counter[str] = Counter()
        self._started = self._told = time.monotonic()

    def report(self) -> Report:
        """All of it; RuntimeError when it cannot start here."""
        with Crew(self._folder) as crew:
            levers = Levers(crew.stack.playground.url)
            first, second = crew.servers
            levers.settle({"yookassa": first.url, "stripe": second.url})
            world = World(crew, levers, Random(self._seed))
            storm = Storm(world, self._counted, tick=lambda: self._tell(*storm.under_way.values()))
            customers = Customers(
                CUSTOMERS,
                self._seed,
                make_client=lambda chance: self._client(crew, chance),
                levers=levers,
                books=self.books,
            )
            with customers.busy():
                storm.run(faults.plan(self._seconds, world.chance))
                for server in crew.servers:
                    server.wait_until_ready()
                rolled = self._roll(crew)
            levers.behave()
            checks = list(self._audit(crew, levers))
        bugs = [bug for place in crew.places for bug in place.bugs]
        return Report(
            self._seed, self._seconds, self.tally, self._counted, storm.ended, rolled, checks, bugs
        )

    def _roll(self, crew: Crew) -> Rolled:
        done, failed, repeats = (
            self.tally.done.total(),
            len(self.tally.failed),
            self.tally.repeats.copy(),
        )
        self._say("rolling restarts")
        stops = list(faults.roll(crew, self._rounds, tick=self._tell))
        return Rolled(
            stops=[seconds for seconds, _ in stops],
            stuck=sum(not in_time for _, in_time in stops),
            operations=self.tally.done.total() - done,
            failed=len(self.tally.failed) - failed,
            repeats=self.tally.repeats - repeats,
        )

    def _audit(self, crew: Crew, levers: Levers) -> Iterator[Check]:
        engine = create_engine(crew.database_url, poolclass=NullPool)
        client = self._client(crew, Random(self._seed))
        self._say("waiting until all has come to rest")
        settling.wait_until_quiet(engine, self.books)
        settling.ask_for_rewards(self.books, client, levers)
        restless = settling.wait_until_quiet(engine, self.books)
        yield Check("everything comes to rest by itself", 1, restless)
        self._say("audit")
        with Session(engine) as session:
            yield from audit.rows(session, self.books)
            yield from audit.files(session, crew.files, self.books)
        yield settling.balances(self.books, client)
        yield settling.downloads(self.books, client)
        client.close()
        self._say("a day later")
        yield settling.let_a_day_pass(crew, engine)
        for place in crew.places:
            place.note_bugs()

    def _client(self, crew: Crew, chance: Random) -> Client:
        urls = [server.url for server in crew.servers]
        return Client(urls, crew.stack.api_key, self.tally, chance)

    def _tell(self, *under_way: str) -> None:
        """A line every few seconds."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._say(", ".join(under_way))

    def _say(self, what: str) -> None:
        self._told = time.monotonic()
        click.echo(
            f"{self._told - self._started:4.0f} s  {self.tally.done.total():6} operations  "
            f"{self._counted.total():3} faults  {self.tally.repeats.total():5} sent again  "
            f"{self.tally.waiting:2} waiting  {len(self.tally.failed)} failed  {what}"
        )
