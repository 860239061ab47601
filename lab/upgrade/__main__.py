"""`make upgrade-drill`: exit code 1 when a customer noticed the upgrade."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import click

from lab.bench.page import put
from lab.upgrade.run import Drill
from local.processes import ROOT


@click.command()
@click.option("--seed", type=int, help="Random seed; printed, so that a run can be repeated.")
@click.option("--customers", default=4, help="How many are at work at a time.")
@click.option(
    "--folder", type=Path, default=ROOT / "var/upgrade", help="Working folder of the run."
)
def main(seed: int | None, customers: int, folder: Path) -> None:
    """Upgrade the last release to this code under load, go back, and upgrade again."""
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}")
    folder = folder.resolve()
    os.environ["TMPDIR"] = str(folder / "system/work")  # for the processes that will be started
    report = Drill(folder, seed=seed, customers=customers, workers=2, back=True).report()
    click.echo(f"\n{report.markdown()}\n")
    for loss in report.losses:
        click.echo(f"LOST  {loss}")
    if not report.losses:
        put("upgrade", report.markdown())
    sys.exit(bool(report.losses))


if __name__ == "__main__":
    main()
