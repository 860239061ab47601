"""`make failover`: exit code 1 when a synchronous pair has lost what was acknowledged."""

from __future__ import annotations

import itertools
import random
import signal
import sys
from pathlib import Path
from typing import Any

import click

from lab.bench.page import put
from lab.failover import cases, patroni, report, run
from lab.failover.cases import Case
from lab.failover.pair import pair
from local.processes import ROOT

ROUNDS = 10
LOSSES_SHOWN = 50
EVERY: dict[str, Case[Any]] = {case.name: case for case in (*cases.CASES, *patroni.CASES)}


@click.command()
@click.option("--seed", type=int, help="Random seed of what customers do; printed.")
@click.option("--rounds", default=ROUNDS, help="How many, over the cases in their order.")
@click.option("--cases", "chosen", help=f"Some of {','.join(EVERY)}.")
@click.option("--customers", default=run.CUSTOMERS, help="How many are at work at a time.")
@click.option("--folder", type=Path, default=ROOT / "var/failover/run", help="Working folder.")
def main(seed: int | None, rounds: int, chosen: str | None, customers: int, folder: Path) -> None:
    """Take the database's primary away under load, in every way; then look for losses.

    The report of a run of all cases goes to docs/quality.md.
    """
    seed = random.randrange(10**6) if seed is None else seed
    names = chosen.split(",") if chosen else list(EVERY)
    if unknown := set(names) - set(EVERY):
        raise click.BadParameter(f"unknown: {', '.join(unknown)}", param_hint="--cases")
    wanted = list(itertools.islice(itertools.cycle(EVERY[name] for name in names), rounds))
    skipped = [case for case in dict.fromkeys(wanted) if case.missing()]
    left = [case for case in wanted if case not in skipped]
    click.echo(f"seed {seed}, {len(left)} rounds")
    for case in skipped:
        click.echo(f"{case.name} is skipped: {case.missing()}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the network is put in order
    by_hand = sorted((c for c in left if c in cases.CASES), key=lambda case: case.loses)
    by_patroni = [case for case in left if case in patroni.CASES]
    played, bugs = [], []
    databases: tuple[tuple[Any, Any], ...] = ((pair, by_hand), (patroni.patroni, by_patroni))
    for open_database, its_cases in databases:
        if its_cases:
            place = folder.resolve() / open_database.__name__
            rounds_, bugs_ = run.play(
                place, open_database, its_cases, seed=seed, customers=customers
            )
            played += rounds_
            bugs += bugs_
    text = report.markdown(played, skipped, bugs, f"--seed {seed}")
    click.echo(f"\n{text}\n")
    lost = report.losses(played, bugs)
    for loss in lost[:LOSSES_SHOWN]:
        click.echo(f"LOST  {loss}")
    click.echo(f"{len(lost)} losses")
    if rounds >= ROUNDS and not chosen:
        put("failover", text)
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
