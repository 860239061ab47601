"""`python -m lab.bench`: all servers in turn, operation by operation; writes the docs' table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from db import connections
from lab.bench import load, report, statements, world
from lab.bench.operations import OPERATIONS, Operation
from lab.bench.servers import SERVERS, Server, environment
from local import database
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from settings.databases import plain

EVENTS_PER_SECOND = 3000  # more than any server settles; each is sent once
BASELINE = "pgbench"


@click.command()
@click.option("--operations", "-o", multiple=True, help="Only these operations.")
@click.option("--servers", "-s", multiple=True, help="Only these servers.")
@click.option("--rounds", default=3, help="Runs of each server and operation, alternating.")
@click.option("--seconds", default=3.0, help="Length of one run.")
@click.option("--write/--no-write", default=False, help="Put table and plot into docs/.")
def main(
    operations: Sequence[str], servers: Sequence[str], rounds: int, seconds: float, write: bool
) -> None:
    """Measure CPU for one request and throughput."""
    if write and (operations or servers):
        raise click.UsageError("--write needs everything measured in one run")
    chosen = [each for each in OPERATIONS if not operations or each.name in operations]
    names = [each for each in (*SERVERS, BASELINE) if not servers or each in servers]
    with (
        throwaway.state_folder("bench") as folder,
        EmbeddedPostgres(folder / "postgres", extra_config=throwaway.NOT_DURABLE) as started,
    ):
        url = plain(started)
        os.environ.update(environment(url, folder))
        results = _measure(url, folder, chosen, names, rounds, seconds)
    click.echo(report.table(results))
    if write:
        report.write(results, seconds=seconds)


def _measure(
    url: str,
    folder: Path,
    operations: Sequence[Operation],
    names: Sequence[str],
    rounds: int,
    seconds: float,
) -> report.Results:
    _fill(url)
    results: report.Results = {}
    with ExitStack() as stack:
        servers = [_start(name, url, folder, stack) for name in names if name in SERVERS]
        for server in servers:
            server.wait()
        for operation in operations:
            click.echo(operation.name, err=True)
            world.settle_down(url)
            for server in servers:
                _run(server, operation, url, folder, number=0, seconds=1)  # warm-up
            for number in range(1, rounds + 1):
                for server in servers:
                    run = _run(server, operation, url, folder, number=number, seconds=seconds)
                    results.setdefault((operation.name, server.name), []).append(run)
                if BASELINE in names:
                    run = _run_baseline(operation, url, folder, seconds=seconds)
                    results.setdefault((operation.name, BASELINE), []).append(run)
    return results


def _start(name: str, url: str, folder: Path, stack: ExitStack) -> Server:
    server = Server(name, environment(url, folder), folder)
    stack.callback(server.stop)
    return server


def _fill(url: str) -> None:
    database.prepare(connections.database_url())
    world.fill(url)


def _run(
    server: Server, operation: Operation, url: str, folder: Path, *, number: int, seconds: float
) -> load.Run:
    batch = f"{server.name}{number}"
    count = int(seconds * EVENTS_PER_SECOND) if operation.once else world.USERS
    if operation.once:
        world.open_payments(url, batch, count)
    file = load.prepare(folder / "requests", operation.requests(count, batch))
    return load.drive(server, operation, file, seconds=seconds)


def _run_baseline(operation: Operation, url: str, folder: Path, *, seconds: float) -> load.Run:
    file = folder / f"{operation.name}.sql"
    if not file.exists():
        if operation.once:
            world.open_payments(url, statements.BATCH, 120_000)
        statements.script(operation, file)
    return load.run_baseline(file, url, seconds=seconds)


if __name__ == "__main__":
    main()
