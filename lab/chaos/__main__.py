"""`make chaos`: exit code 1 when something was lost."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import click

from lab.bench.page import put
from lab.chaos.run import CUSTOMERS, Run
from lab.chaos.schedule import FULL_SECONDS

ROOT = Path(__file__).parents[2]
ROUNDS = 5
LOSSES_SHOWN = 50


@click.command()
@click.option("--seed", type=int, help="Random seed; printed, so that a run can be repeated.")
@click.option(
    "--seconds", default=FULL_SECONDS, help="Time of injecting faults; their number scales with it."
)
@click.option("--rounds", default=ROUNDS, help="Rolling restarts of both servers.")
@click.option("--customers", default=CUSTOMERS, help="How many are at work at a time.")
@click.option("--folder", type=Path, default=ROOT / "var/chaos", help="Working folder of the run.")
@click.option("--pooler", is_flag=True, help="Reach the database by PgBouncer, and attack that.")
def main(
    seed: int | None, seconds: float, rounds: int, customers: int, folder: Path, pooler: bool
) -> None:
    """Inject faults while customers never stop, then look for losses.

    The report of a full run goes to docs/quality.md.
    """
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}, {seconds:.0f} s of faults, {rounds} rounds of rolling restarts")
    folder = folder.resolve()
    os.environ["TMPDIR"] = str(folder / "work")  # for the processes that will be started
    # Python 3.11 keeps a compiled module that a full disk cut off, and cannot import it again.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    run = Run(folder, seed=seed, seconds=seconds, rounds=rounds, customers=customers, pooled=pooler)
    report = run.report()
    click.echo(f"\n{report.markdown()}\n")
    for loss in report.losses[:LOSSES_SHOWN]:
        click.echo(f"LOST  {loss}")
    click.echo(f"{len(report.losses)} losses")
    if seconds >= FULL_SECONDS and rounds >= ROUNDS:
        put("chaos-pooler" if pooler else "chaos", report.markdown())
    sys.exit(bool(report.losses))


if __name__ == "__main__":
    main()
