"""`python -m lab.bench.commits`: orders a second with a standby a millisecond away, and what waking
workers costs; today's way beside a notification inside the ordering transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import click

from db import connections
from db.notifications import JOB_CHANNEL
from lab.bench import load, statements, world
from lab.bench.commits import wakes
from lab.bench.operations import OPERATIONS
from lab.bench.page import about, put, table
from lab.bench.servers import PROCESSES, Server, environment
from local import database, ports
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres, is_free
from local.processes import Child, Program
from settings.databases import plain
from tests import standby

CLIENTS = (1, 4, 16, 32)
ONE_WAY_SECONDS = 0.0005
NOW, ONCE = "after the commit", "inside"
WITHIN = ("-m", "gunicorn", "lab.bench.commits.old_way:create_app()")
ORDER = next(each for each in OPERATIONS if each.name == "jobsCreate")
CONFIG = {"checkpoint_timeout": "1h", "max_wal_size": "8GB"}

# (who orders, clients, way) -> orders a second of each round; and the medians of their times
Rates = dict[tuple[str, int, str], list[float]]


@click.command()
@click.option("--rounds", default=3, help="Runs of each way, alternating.")
@click.option("--seconds", default=3.0, help="Length of one run.")
@click.option("--orders", default=20, help="Orders of each round that idle workers are woken for.")
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(rounds: int, seconds: float, orders: int, to_docs: bool) -> None:
    """Measure both ways in turn; takes about three minutes."""
    busy = os.getloadavg()[0]
    with throwaway.state_folder("commits") as folder, _pair(folder) as url:
        os.environ.update(environment(plain(url), folder))
        database.prepare(connections.database_url())
        world.fill(os.environ["DATABASE_URL"])
        woken = wakes.measure(rounds, orders)  # while the queue is empty
        click.echo(woken, err=True)
        rates = _rates(folder, rounds, seconds)
        connections.engine().dispose()
    machine = f"one machine of {os.cpu_count()} cores, which had a load of {busy:.0f} before"
    text = (
        f"{about('make bench-commits')}: durable writes, a synchronous standby"
        f" {2000 * ONE_WAY_SECONDS:.0f} ms away and all else on {machine}; {rounds} rounds of"
        f" {seconds:.0f} s, the ways alternating, medians. The server has {PROCESSES} processes;"
        " pgbench sends the statements of the same order without a server.\n\n"
        f"{_table(rates)}\n\n{woken}"
    )
    click.echo(text)
    if to_docs:
        put("commits", text)


@contextmanager
def _pair(folder: Path) -> Iterator[str]:
    """URL of a primary whose commits wait for a standby behind a slow way."""
    primary, port = EmbeddedPostgres(folder / "primary", extra_config=CONFIG), ports.reserve()
    try:
        url = primary.start()
        own = (folder / "primary" / "port").read_text()
        distance = ("-m", "lab.bench.commits.distance", str(port), own, str(ONE_WAY_SECONDS))
        with Child(Program("distance", distance, 5), environ=os.environ, logs=folder) as way:
            way.wait_until(lambda: not is_free(port), 20)
            far = url.replace(f":{own}/", f":{port}/")
            copy = standby.make(folder / "primary", far, folder / "copy")
            try:
                yield url
            finally:
                copy.kill()
    finally:
        primary.kill()
        for name in ("primary", "copy"):
            throwaway.remove(folder / name)


def _rates(folder: Path, rounds: int, seconds: float) -> Rates:
    url = os.environ["DATABASE_URL"]
    rates: Rates = {}
    requests = load.prepare(folder / "requests", ORDER.requests(world.USERS, ""))
    scripts = {NOW: statements.script(ORDER, folder / "plain.sql"), ONCE: folder / "within.sql"}
    commit = f"NOTIFY {JOB_CHANNEL};\nCOMMIT;"
    scripts[ONCE].write_text(scripts[NOW].read_text().replace("COMMIT;", commit))
    with ExitStack() as stack:
        servers = {}
        for way, arguments in ((NOW, None), (ONCE, WITHIN)):
            servers[way] = Server("ours", dict(os.environ), folder, arguments)
            stack.callback(servers[way].stop)
        for server in servers.values():
            server.wait()
            load.drive(server, ORDER, requests, seconds=1)  # warm-up
        for _ in range(rounds):
            world.settle_down(url)
            for clients in CLIENTS:
                for way, server in servers.items():
                    run = load.drive(server, ORDER, requests, seconds=seconds, clients=clients)
                    if run.errors:
                        raise RuntimeError(f"{run.errors} orders failed, see {folder}")
                    rates.setdefault(("server", clients, way), []).append(run.per_second)
                for way, script in scripts.items():
                    run = load.run_baseline(script, url, seconds=seconds, clients=clients)
                    rates.setdefault(("pgbench", clients, way), []).append(run.per_second)
                click.echo(f"{clients} clients: {rates}", err=True)
    return rates


def _table(rates: Rates) -> str:
    rows = []
    for who in ("server", "pgbench"):
        for clients in CLIENTS:
            now, once = (median(rates[who, clients, way]) for way in (NOW, ONCE))
            rows.append([who, str(clients), f"{once:.0f}", f"{now:.0f}", f"{now / once:.1f}"])
    head = [
        "Orders by",
        "clients",
        "a second, notification inside",
        "a second, after the commit",
        "ratio",
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()
