"""`python -m lab.bench.scale`: fill two databases, measure all calls in both, then load one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from db import connections, reading, transaction
from db.types import now
from lab.bench.scale import calls, crowd, load_test, meter, plans, worlds
from lab.bench.scale.report import Findings, text, write
from lab.bench.scale.rows import USERS
from lab.bench.scale.worlds import World
from lab.bench.servers import environment
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from local.processes import ROOT
from services import day_figures
from settings.databases import plain

# Autovacuum would run at different moments in the two worlds.
POSTGRES = {
    **throwaway.NOT_DURABLE,
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "512MB",
    "autovacuum": "off",
    "max_connections": "150",
}
HISTORY_DAYS = 60
RETRIES = 4  # more measurements of a call that seems slower, before it counts as slower
GROUPS = {
    "read": calls.READS,
    "write": calls.WRITES,
    "worker": calls.WORKERS,
    "operator": calls.OPERATORS,
}


@click.command()
@click.option("--users", default=1_000_000, help="Users of the large world.")
@click.option("--seconds", default=20.0, help="How long the crowd orders.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the worlds there.")
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(users: int, seconds: float, folder: Path | None, to_docs: bool) -> None:
    """Show that nothing becomes slower, or is lost, with a million users."""
    with ExitStack() as stack:
        home = stack.enter_context(throwaway.state_folder("scale"))
        target = folder or home
        target.mkdir(exist_ok=True)
        worlds.require_space(target, users // USERS)
        url = stack.enter_context(EmbeddedPostgres(target / "postgres", extra_config=POSTGRES))
        os.environ.update(environment(plain(url), home))
        os.environ.update(ENVIRONMENT="development", DATA_TTL_HOURS=str(calls.TTL_HOURS))
        found = _measure(url, home, users=users, seconds=seconds)
    click.echo(text(found))
    if to_docs:
        write(found)
    for fault in found.wrong:
        click.echo(f"FAIL {fault}", err=True)
    sys.exit(bool(found.wrong))


def _measure(url: str, home: Path, *, users: int, seconds: float) -> Findings:
    started = time.monotonic()
    both = list(worlds.fill(url, {"small": 1, "large": users // USERS}, report=_print).values())
    found = Findings(
        worlds=both,
        filled_seconds=time.monotonic() - started,
        bytes={world.name: worlds.size_bytes(world) for world in both},
    )
    with _probes(both) as probes:
        found.history_seconds = [_compute_history(probe) for probe in probes][-1]
        contexts = []
        for world, probe in zip(both, probes, strict=True):
            with meter.use_engine(probe.engine):
                contexts.append(calls.prepare(world))
        for group, chosen in GROUPS.items():
            found.groups[group] = [
                _compare(name, call, contexts, probes) for name, call in chosen.items()
            ]
            found.plan_faults += _plan_faults(chosen, contexts[-1], probes[-1])
        found.growing = [
            meter.compare(name, call, contexts, probes, times=1)
            for name, call in calls.GROW.items()
        ]
    seed = random.randrange(10**6)
    _print(f"two servers, four workers and a crowd, seed {seed}")
    large = both[-1]
    _postpone_jobs(large)
    engine = connections.connect(large.url, pool_size=crowd.CUSTOMERS)
    found.crowd = load_test.run(
        *(engine, plain(large.url), home),
        seconds=seconds,
        chance=random.Random(seed),
        real_jobs=4,
    )
    engine.dispose()
    found.checked_seconds = _check_ledger(large)  # those of the fill and of all that came after it
    return found


def _compute_history(probe: meter.Probe) -> float:
    """Seconds for the figures that the overview reads, as the worker's duty computes them."""
    started = time.monotonic()
    with meter.use_engine(probe.engine):
        with reading() as reader:
            due = day_figures.due(reader, now=now(), older=HISTORY_DAYS)
        for day in due:
            with transaction() as session:
                day_figures.compute(session, day, now=now())
    seconds = time.monotonic() - started
    _print(f"{probe.world.name}: figures of {len(due)} days in {seconds:.0f} s")
    return seconds


@contextmanager
def _probes(both: list[World]) -> Iterator[list[meter.Probe]]:
    probes = [meter.Probe(world) for world in both]
    try:
        yield probes
    finally:
        for probe in probes:
            probe.close()


def _compare(
    name: str, call: calls.Call, contexts: list[calls.Context], probes: list[meter.Probe]
) -> meter.Comparison:
    """Measure again while it seems slower: the lowest figures are the least disturbed ones."""
    compared = meter.compare(name, call, contexts, probes)
    for _ in range(RETRIES):
        if compared.database_ratio > meter.MAX_RATIO:
            compared = compared.join(meter.compare(name, call, contexts, probes))
    _print(f"{name}: {compared.database_ratio:.2f}")
    return compared


def _plan_faults(
    chosen: dict[str, calls.Call], context: calls.Context, probe: meter.Probe
) -> list[str]:
    found = []
    with meter.use_engine(probe.engine):
        for name, call in chosen.items():
            found += [f"{name} {fault}" for fault in plans.of_call(call, context, probe.engine)]
    return found


def _check_ledger(world: World) -> float:
    """Seconds that `ledger check` takes; ClickException when it finds something."""
    started = time.monotonic()
    checked = subprocess.run(
        [sys.executable, "cli.py", "ledger", "check"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": plain(world.url)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if checked.returncode != 0:
        raise click.ClickException(f"the books of {world.name} are wrong:\n{checked.stdout}")
    seconds = time.monotonic() - started
    _print(f"{world.name}: books proved in {seconds:.0f} s")
    return seconds


def _postpone_jobs(world: World) -> None:
    """Postpone the generated jobs: they have no photos that an engine could open."""
    with world.connect().cursor() as cursor:
        cursor.execute("UPDATE jobs SET run_at = now() + '1 year' WHERE status = 'queued'")
        cursor.execute("UPDATE jobs SET lease_until = now() + '1 year' WHERE status = 'processing'")


def _print(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


if __name__ == "__main__":
    main()
