"""`make restore-drill`: exit code 1 when something is not as it must be."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import click

from lab.bench.page import about, put, table
from lab.chaos.audit import Check
from lab.restore.archive import MissingProgramError
from lab.restore.run import Drill
from local.processes import ROOT

LOSSES_SHOWN = 50
FULL_SECONDS = 60.0


@click.command()
@click.option("--seed", type=int, help="Random seed; printed.")
@click.option("--before", default=30.0, help="Seconds of load before the moment.")
@click.option("--after", default=FULL_SECONDS, help="Seconds of load after it.")
@click.option(
    "--folder", type=Path, default=ROOT / "var/restore", help="Working folder of the run."
)
def main(seed: int | None, before: float, after: float, folder: Path) -> None:
    """Lose the database under load, restore it to a moment, and look at what is there.

    The report of a run with a minute after the moment goes to docs/quality.md.
    """
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}, {before:.0f} s of load before the moment, {after:.0f} s after it")
    drill = Drill(folder.resolve(), seed, before, after)
    try:
        checks = drill.run()
    except MissingProgramError as missing:
        click.echo(f"skipped: {missing}")
        return
    page = report(drill, checks)
    click.echo(f"\n{page}\n")
    losses = [f"{check.rule}: {loss}" for check in checks for loss in check.losses]
    for loss in losses[:LOSSES_SHOWN]:
        click.echo(f"LOST  {loss}")
    click.echo(f"{len(losses)} losses")
    if after >= FULL_SECONDS:
        put("restore-drill", page)
    sys.exit(bool(losses))


def report(drill: Drill, checks: list[Check]) -> str:
    """For docs/quality.md."""
    rows = [[check.rule, str(check.looked_at), str(len(check.losses))] for check in checks]
    return (
        f"{about('make restore-drill')}: restored to {drill.after:.0f} s before the end of "
        f"{drill.before + drill.after:.0f} s of load, {drill.tally.done.total()} operations. The "
        f"database was back after {drill.restore_seconds:.1f} s; {drill.rolled_back} "
        f"acknowledged things were newer than the moment, and are gone.\n\n"
        f"{table(['What must be true', 'Looked at', 'Broken'], rows)}"
    )


if __name__ == "__main__":
    main()
