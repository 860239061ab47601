"""`doctor`: what a careful operator would look at, on one page."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, Queue

import click

from commands.doctor import books, database, machine, outside, store
from commands.doctor.finding import Finding

SECONDS = 20.0  # for all of them: they run beside each other
Check = Callable[[], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "machine": machine.look,
    "database": database.look,
    "books": books.look,
    "storage": store.look,
    **outside.CHECKS,
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="for machines: a list of objects")
def doctor(as_json: bool) -> None:
    """Look at everything that may be wrong; exit code 1 when something is, with what to do."""
    findings = examine(CHECKS, seconds=SECONDS)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            fix = f"\n      {finding.fix}" if finding.fix else ""
            click.echo(f"{finding.level:4}  {finding.what}: {finding.says}{fix}")
    sys.exit(any(finding.level == "FAIL" for finding in findings))


def examine(checks: dict[str, Check], *, seconds: float) -> list[Finding]:
    """What all checks find, in the order given. They run beside each other; one that is late, or
    breaks, is a finding itself.
    """
    done: Queue[tuple[str, list[Finding]]] = Queue()

    def run(name: str, check: Check) -> None:
        found: list[Finding] = []
        try:
            found.extend(check())
        except Exception as error:  # whatever it is, the operator has to know, and the rest goes on
            lines = str(error).splitlines() or [type(error).__name__]
            found.append(Finding("FAIL", name, lines[0], "see the log of the server"))
        done.put((name, found))

    for name, check in checks.items():
        # Not waited for at the end: what hangs must not hold up the command.
        threading.Thread(target=run, args=(name, check), daemon=True).start()
    deadline = time.monotonic() + seconds
    found: dict[str, list[Finding]] = {}
    while len(found) < len(checks):
        try:
            name, said = done.get(timeout=max(deadline - time.monotonic(), 0.01))
        except Empty:
            break
        found[name] = said
    late = f"no answer within {seconds:.0f} s"
    return [
        finding
        for name in checks
        for finding in found.get(name, [Finding("FAIL", name, late, "see whether it is up")])
    ]
