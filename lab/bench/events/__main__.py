"""`python -m lab.bench.events`: what it costs to tell the bot, and how many may wait for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from db import connections
from lab.bench import world
from lab.bench.events import claims, crowd, flow, ways
from lab.bench.events.receiver import SECRET, receiving
from lab.bench.page import about, put
from lab.bench.servers import Server, environment
from local import database
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from local.processes import Child, Program
from settings.databases import plain

FLOW_SECONDS = 8


@click.command()
@click.option("--orders", default=5, help="Orders whose end is learned of in three ways.")
@click.option("--waiting", default=5000, help="Requests that wait at the same time.")
@click.option("--rate", default=500, help="Events a second to be written and posted.")
@click.option("--delivered", default=1_000_000, help="Delivered events beside the sender's.")
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(orders: int, waiting: int, rate: int, delivered: int, to_docs: bool) -> None:
    """Measure how the bot learns what happened; takes about a minute and a half."""
    load = os.getloadavg()[0]
    with (
        throwaway.state_folder("events") as folder,
        EmbeddedPostgres(folder / "postgres", extra_config=throwaway.NOT_DURABLE) as started,
        receiving() as receiver,
    ):
        url = plain(started)
        os.environ.update(environment(url, folder))
        os.environ.update(EVENTS_URL=receiver.url, EVENTS_SECRETS=SECRET)
        database.prepare(connections.database_url())
        world.fill(url)
        with _server(folder) as server, _worker(folder) as worker:
            parts = [
                ways.measure(server.port, receiver, orders),
                crowd.measure(server, waiting),
                flow.measure(worker, receiver, rate, FLOW_SECONDS),
            ]
        parts.append(claims.measure(delivered))
        connections.engine().dispose()
    machine = f"one machine of {os.cpu_count()} cores, which had a load of {load:.0f} before"
    begun = f"{about('make bench-events')}: server, worker and bot on {machine}; no durable writes."
    text = "\n\n".join([begun, *parts])
    click.echo(text)
    if to_docs:
        put("events", text)


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    server = Server("ours", dict(os.environ), folder)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@contextmanager
def _worker(folder: Path) -> Iterator[Child]:
    program = Program("worker", ("-m", "worker"), stop_seconds=20)
    with Child(program, environ=os.environ, logs=folder) as worker:
        yield worker


if __name__ == "__main__":
    main()
