"""One upgrade under load, from the release's first customer to the audit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import click
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from db import schema
from db.types import now
from lab.chaos import afterwards
from lab.chaos.books import Books
from lab.chaos.client import Client, Tally
from lab.chaos.customers import Customers
from lab.chaos.sandbox_control import SandboxControl
from lab.chaos.system import Part, System
from lab.upgrade import release
from lab.upgrade.balancer import BalancedClient, Balancer
from lab.upgrade.report import Phase, Report
from local.processes import ROOT

QUICK_WORKER = ("-m", "lab.chaos.quick_worker")
LOOK_SECONDS = 0.2  # between two looks at readiness
WORK_SECONDS = 120.0
SOME = 2  # paid events of each provider, and orders, that show that all works
WORK = text(
    "SELECT (SELECT count(*) FROM jobs WHERE finished_at > :since AND status = 'done') done,"
    " (SELECT count(*) FROM payment_events WHERE received_at > :since AND state = 'applied'"
    " AND provider = 'stripe') stripe,"
    " (SELECT count(*) FROM payment_events WHERE received_at > :since AND state = 'applied'"
    " AND provider = 'yookassa') yookassa,"
    " (SELECT count(*) FROM payment_events WHERE received_at > :since AND state = 'applied'"
    " AND provider = 'telegram') telegram"
)


class Drill:
    """Customers who never stop, while the release gives way to this code; with `back`, this code to
    the release again and once more, on the schema that is there.
    """

    def __init__(
        self, folder: Path, *, seed: int, customers: int, workers: int, back: bool
    ) -> None:
        self._folder = folder
        self._seed = seed
        self._number = customers
        self._workers = workers
        self._back = back
        self._tally = Tally()
        self._books = Books()
        self._phases: list[Phase] = []
        self._unready: list[str] = []

    def report(self) -> Report:
        """Run all of it. RuntimeError when it cannot start here."""
        released = release.last(self._folder / "release")
        with System(
            self._folder / "system",
            workers=[QUICK_WORKER] * self._workers,
            code=released.folder,
            prepare=released.prepare,
        ) as system:
            self._system = system
            self._control = SandboxControl(system.stack.simulated.url)
            self._control.connect(dict.fromkeys(("yookassa", "stripe"), system.servers[0].url))
            self._balancer = Balancer([server.url for server in system.servers])
            self._lead_events()
            self._engine = create_engine(system.database_url, poolclass=NullPool)
            with self._customers().busy(), self._watched():
                self._upgrade(released)
            client = self._client(Random(self._seed))
            checks = list(
                afterwards.checks(system, self._engine, self._books, client, self._control)
            )
            client.close()
            bugs = system.bugs()
        return Report(
            released, self._phases, self._tally, self._unready, checks, bugs, self._number
        )

    def _upgrade(self, released: release.Release) -> None:
        old, new, head = released.version, "this code", schema.head()
        self._phase(f"{old} on its own schema, {released.migration}", self._wait_for_work)
        self._phase(f"`cli.py migrate` of {new}, to {head}", self._migrate)
        self._phase(f"{old} on schema {head}", self._wait_for_work)
        self._replace_all(new, ROOT)
        if self._back:
            self._replace_all(old, released.folder)
            self._replace_all(new, ROOT)

    def _replace_all(self, name: str, code: Path) -> None:
        """First a server, then the workers, so that both versions serve and work for each other."""
        first, *others = self._system.servers
        for part in (first, *self._system.workers, *others):
            self._phase(f"{part.name} becomes {name}", partial(self._renew, part, code))
            if part is not others[-1]:
                self._phase("both versions", self._wait_for_work)
        self._phase(f"{name} on schema {schema.head()}", self._wait_for_work)

    def _migrate(self) -> None:
        self._system.stack.cli("migrate")

    def _renew(self, part: Part, code: Path) -> None:
        if part in self._system.workers:
            part.stop()
            part.restart(code)
            return
        self._lead_events(past=part.url)
        self._balancer.drain(part.url)
        part.stop()
        part.restart(code)
        part.wait_until_ready()
        self._balancer.admit(part.url)
        self._lead_events()

    def _lead_events(self, *, past: str = "") -> None:
        """Let providers send their events to servers that get requests, each to another one."""
        roots = [root for root in self._balancer.open if root != past]
        for place, provider in enumerate(("yookassa", "stripe", "telegram")):
            hook = f"{roots[place % len(roots)]}/api/v1/webhooks/payments/{provider}"
            if provider != "telegram":
                self._control.set_delivery(provider, url=hook)
                continue
            settings = self._system.stack.settings
            url = f"{settings.telegram_api_url}/bot{settings.telegram_bot_token}/setWebhook"
            body = {"url": hook, "secret_token": settings.telegram_webhook_secret[0]}
            requests.post(url, json=body, timeout=30).raise_for_status()

    def _wait_for_work(self) -> None:
        """Wait until orders are done and payments of each provider have arrived from now on."""
        since, deadline = now(), time.monotonic() + WORK_SECONDS
        while min(self._work(since)) < SOME:
            if time.monotonic() > deadline:
                raise RuntimeError(f"orders done, events of providers: {self._work(since)}")
            time.sleep(0.2)

    def _work(self, since: object) -> tuple[int, ...]:
        with self._engine.connect() as connection:
            return tuple(connection.execute(WORK, {"since": since}).one())

    def _phase(self, name: str, work: Callable[[], None]) -> None:
        started, before = time.monotonic(), self._counts()
        work()
        seconds = time.monotonic() - started
        done, again, failed = (now - then for now, then in zip(self._counts(), before, strict=True))
        self._phases.append(Phase(name, seconds, done, again, failed))
        click.echo(
            f"{seconds:5.1f} s  {done:5} operations  {again} sent again  {failed} failed  {name}"
        )

    def _counts(self) -> tuple[int, int, int]:
        tally = self._tally
        return tally.done.total(), tally.repeats.total(), len(tally.failed)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Note each server that gets requests and says that it is not ready."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(LOOK_SECONDS):
                for root in self._balancer.open:
                    with requests.Session() as session:
                        session.trust_env = False
                        self._look(root, session)

        watching = threading.Thread(target=look)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()

    def _look(self, root: str, session: requests.Session) -> None:
        try:
            answer = session.get(f"{root}/api/v1/health/ready", timeout=30)
            said = "" if answer.ok else f"{answer.status_code} {answer.text}"
        except requests.RequestException as error:
            said = type(error).__name__
        if said and root in self._balancer.open:
            self._unready.append(f"{self._phases[-1].name}: {root} {said}")

    def _customers(self) -> Customers:
        return Customers(
            self._number,
            self._seed,
            make_client=self._client,
            control=self._control,
            books=self._books,
        )

    def _client(self, chance: Random) -> Client:
        return BalancedClient(self._balancer, self._system.stack.api_key, self._tally, chance)
