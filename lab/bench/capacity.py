"""`python -m lab.bench.capacity`: what an order and a payment cost one primary.

A PostgreSQL with ten thousand users; each step of many orders one after another, so that
what all its processes use belongs to that step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psutil

from db import connections
from lab.bench.page import DOCS, about, put, table
from lab.bench.scale import calls, meter, worlds
from lab.bench.scale.calls import Call, Context
from lab.bench.scale.worlds import World
from lab.bench.servers import environment
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from settings.databases import plain

# No checkpoint unless asked for: it would write whole pages into the log at some steps only. Nobody
# waits for the disk, which changes neither CPU nor what is written.
POSTGRES = {
    "checkpoint_timeout": "1h",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "synchronous_commit": "off",
}
ORDER = {
    "dataUploadMultipart": 1,
    "jobsCreate": 1,
    "claim a job": 1,
    "renew a lease": 3,  # a second each
    "finish a job": 1,
    "jobsGet": 2,  # to begin to wait, and when it is done
}
PAYMENT = {"paymentsCreateIntent": 1, "webhookPayments, paid": 1}
CALLS: Mapping[str, Call] = calls.READS | calls.WRITES | calls.WORKERS
FIRST = 30  # orders right after a checkpoint, whose pages are all whole in the log
CORES = (4, 8, 16, 32)
BUSY = 0.6  # of the cores; the rest is for vacuum, backups and an hour with many people
PAID = 1 / 3  # payments for each order


@dataclass(frozen=True)
class Cost:
    """Of one step, or of several: CPU of PostgreSQL, bytes of its log and of its files."""

    cpu_ms: float
    log_bytes: float
    disk_bytes: float


@click.command()
@click.option("--orders", default=2000, help="How many orders and payments.")
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(orders: int, to_docs: bool) -> None:
    """Measure CPU, log and disk of orders and payments; takes some minutes."""
    with throwaway.state_folder("capacity") as folder:
        postgres = EmbeddedPostgres(folder / "postgres", extra_config=POSTGRES)
        with postgres as url:
            os.environ.update(environment(plain(url), folder))
            (world,) = worlds.fill(url, {"world": 1}, report=click.echo).values()
            engine = connections.connect(world.url, pool_size=4)
            with meter.use_engine(engine):
                text = _measure(world, postgres, orders)
            engine.dispose()
    click.echo(text)
    if to_docs:
        put("capacity", text, page=DOCS / "scale.md")


def _measure(world: World, postgres: EmbeddedPostgres, orders: int) -> str:
    context = calls.prepare(world)
    meters = _Meters(world, postgres)
    steps = ORDER | PAYMENT
    meters.checkpoint()
    first = sum(meters.cost(context, name, FIRST * n).log_bytes * n for name, n in ORDER.items())
    costs = {name: meters.cost(context, name, orders * n) for name, n in steps.items()}
    meters.close()
    order, payment = _sum(costs, ORDER), _sum(costs, PAYMENT)
    rows = [
        [name + (f", {n} times" if n > 1 else ""), *_cells(_sum(costs, {name: n}))]
        for name, n in steps.items()
    ]
    rows += [["**an order**", *_cells(order)], ["**a payment**", *_cells(payment)]]
    said = (
        f"{about('make bench-capacity')}: {orders} orders and payments beside 10,000 users. "
        "Right after a checkpoint, when the first change of each page writes it "
        f"whole, an order's log is {first / 1000:.0f} KB."
    )
    used = table(["Step", "database CPU ms", "log KB", "disk KB"], rows)
    rates = table(["Cores of the primary", *map(str, CORES)], _rates(order, payment))
    return f"{said}\n\n{used}\n\n{rates}"


class _Meters:
    """What PostgreSQL has used so far, all its processes together."""

    def __init__(self, world: World, postgres: EmbeddedPostgres) -> None:
        self._connection = world.connect()
        self._postmaster = psutil.Process(postgres.pid)

    def cost(self, context: Context, name: str, times: int) -> Cost:
        """Of one call, the average of so many."""
        before = self._now()
        for _ in range(times):
            CALLS[name].work(context)
        used = [(now - then) / times for now, then in zip(self._now(), before, strict=True)]
        return Cost(*used)

    def checkpoint(self) -> None:
        """Let the next change of each page be written whole."""
        self._ask("CHECKPOINT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _now(self) -> tuple[float, float, float]:
        log = self._ask("SELECT pg_current_wal_insert_lsn() - '0/0'")
        disk = self._ask("SELECT pg_database_size(current_database())")
        ended = self._postmaster.cpu_times()
        running = sum(
            meter.cpu_ms(each.pid)
            for each in self._postmaster.children()
            if Path(f"/proc/{each.pid}").exists()
        )
        return running + (ended.children_user + ended.children_system) * 1000, log, disk

    def _ask(self, query: str) -> float:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return float(cursor.fetchone()[0]) if cursor.description else 0.0


def _sum(costs: Mapping[str, Cost], steps: Mapping[str, int]) -> Cost:
    parts: list[tuple[Any, ...]] = [
        tuple(value * n for value in vars(costs[name]).values()) for name, n in steps.items()
    ]
    return Cost(*map(sum, zip(*parts, strict=True)))


def _cells(cost: Cost) -> list[str]:
    return [f"{cost.cpu_ms:.2f}", f"{cost.log_bytes / 1000:.1f}", f"{cost.disk_bytes / 1000:.1f}"]


def _rates(order: Cost, payment: Cost) -> list[list[str]]:
    both = order.cpu_ms + payment.cpu_ms * PAID
    return [
        [name, *(f"{cores * BUSY * 1000 / cost:,.0f}" for cores in CORES)]
        for name, cost in (
            ("orders a second, a third of them paid separately", both),
            ("payments a second, nothing else", payment.cpu_ms),
        )
    ]


if __name__ == "__main__":
    main()
