"""`make test-stability`: exit code 1 when a test failed in any of the runs."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack

import click

from lab.bench.page import put
from lab.stability.report import Outcome, markdown, read
from lab.stability.runs import FOLDER, keep_busy, run_tests

RUNS = 10


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--runs", default=RUNS, help="How many in a row.")
@click.option("--loops", default=os.cpu_count() or 2, help="Busy loops beside every second run.")
@click.option("--minutes", default=20.0, help="The longest that one run may take.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def main(runs: int, loops: int, minutes: float, pytest_arguments: tuple[str, ...]) -> None:
    """Run the tests again and again; PYTEST_ARGUMENTS, such as -k ledger, pick some.

    The outcome of RUNS whole runs goes to docs/quality.md.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    outcomes = [
        _run(number, loops if number % 2 == 0 else 0, minutes, pytest_arguments)
        for number in range(1, runs + 1)
    ]
    text = markdown(outcomes)
    click.echo(f"\n{text}")
    if runs >= RUNS and not pytest_arguments:
        put("stability", text)
    sys.exit(any(outcome.failures for outcome in outcomes))


def _run(number: int, loops: int, minutes: float, arguments: tuple[str, ...]) -> Outcome:
    with ExitStack() as stack:
        for busy in range(loops):
            stack.enter_context(keep_busy(busy + 1))
        seconds = run_tests(number, arguments, limit_seconds=minutes * 60)
    outcome = read(FOLDER, number, loops=loops, seconds=seconds)
    click.echo(f"run {number}, {outcome.machine}: {outcome.summary}")
    return outcome


if __name__ == "__main__":
    main()
