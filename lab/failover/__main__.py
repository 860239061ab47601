"""`make failover`: exit code 1 when a synchronous pair has lost what was acknowledged."""

from __future__ import annotations

import itertools
import random
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lab.bench.page import put
from lab.failover import cases, patroni, report, run
from lab.failover.cases import Case
from lab.failover.pair import pair
from lab.failover.report import Round
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
    played, bugs = _play(left, folder.resolve(), seed=seed, customers=customers)
    text = report.markdown(played, skipped, bugs, f"--seed {seed}")
    click.echo(f"\n{text}\n")
    lost = report.losses(played, bugs)
    for loss in lost[:LOSSES_SHOWN]:
        click.echo(f"LOST  {loss}")
    click.echo(f"{len(lost)} losses")
    if rounds >= ROUNDS and not chosen:
        put("failover", text)
    sys.exit(bool(lost))


def _play(
    wanted: Sequence[Case[Any]], folder: Path, *, seed: int, customers: int
) -> tuple[list[Round], list[str]]:
    """All rounds: those of the pair first, what loses by its nature as their last one."""
    by_hand = [case for case in wanted if case in cases.CASES]
    by_hand.sort(key=lambda case: case.loses)
    by_patroni = [case for case in wanted if case in patroni.CASES]
    url_of: Callable[[Any], str] = lambda database: database.url  # noqa: E731
    databases: list[tuple[Any, Sequence[Case[Any]], str]] = [
        (pair, by_hand, "pair"),
        (patroni.patroni, by_patroni, "patroni"),
    ]
    played: list[Round] = []
    bugs: list[str] = []
    for open_database, its_cases, name in databases:
        if its_cases:
            for each in run.play(
                folder / name, open_database, url_of, its_cases, seed=seed, customers=customers
            ):
                if isinstance(each, Round):
                    played.append(each)
                else:
                    bugs += each
    return played, bugs


if __name__ == "__main__":
    main()
