"""The report of a run as a section of Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.bench.page import about, table
from lab.chaos.audit import Check
from lab.chaos.client import Tally
from lab.failover.cases import Case
from lab.failover.watch import Watch


@dataclass(frozen=True)
class Round:
    """A case that was played. silences: the longest time without a write, each time it was."""

    case: Case[Any]
    silences: list[float]
    tally: Tally
    watch: Watch
    checks: list[Check]
    notes: list[str]

    @property
    def lost(self) -> list[str]:
        """All that went wrong, a line each; empty when nothing was lost."""
        tally = self.tally
        lost = [f"{check.rule}: {loss}" for check in self.checks for loss in check.losses]
        failed = [f"an operation failed: {each}" for each in tally.failed]
        return lost + failed + [f"{n} answers of 500: {name}" for name, n in tally.bugs.items()]

    @property
    def acknowledged(self) -> int:
        """Operations of customers, and registrations of strangers."""
        return self.tally.done.total() + len(self.watch.acknowledged())

    @property
    def summary(self) -> str:
        """A line for whoever watches the run."""
        silences = ", ".join(f"{each:.1f}" for each in self.silences)
        done = f"{self.acknowledged} acknowledged, {len(self.lost)} lost"
        return f"{silences} s without a write; {done}; met {self.met}"

    @property
    def met(self) -> str:
        """What came instead of an answer, to customers and strangers."""
        met = Counter(self.tally.repeats)
        for kind, name in ((self.watch.writes, "write"), (self.watch.reads, "read")):
            for status, n in self.watch.statuses(kind, 0.0, float("inf")).items():
                if status != 200:
                    met[f"{status or 'nothing'} to a stranger's {name}"] += n
        return ", ".join(f"{name} {n}" for name, n in sorted(met.items())) or "nothing"


def losses(rounds: Sequence[Round], bugs: Sequence[str]) -> list[str]:
    """All of a run, but for what cases lose by their nature."""
    wrong = [f"{r.case.name}: {each}" for r in rounds if not r.case.loses for each in r.lost]
    return wrong + [f"in a log: {each}" for each in bugs]


def markdown(
    rounds: Sequence[Round], skipped: Sequence[Case[Any]], bugs: Sequence[str], arguments: str
) -> str:
    """For docs/quality.md."""
    safe = [each for each in rounds if not each.case.loses]
    played = sum(len(each.silences) for each in rounds)
    command = f'make failover ARGS="{arguments}"'
    total = sum(each.acknowledged for each in safe)
    summary = (
        f"{about(command)}: {len(rounds)} rounds, {played} times played.\n**{total} operations "
        f"acknowledged on a synchronous pair, {len(losses(rounds, bugs))} losses.**"
    )
    head = [
        "Case",
        "Times",
        "Seconds without a write: min",
        "median",
        "max",
        "Acknowledged",
        "Lost",
    ]
    lines = [_line(each) for each in rounds]
    parts = [summary, table(head, lines)]
    met = [[each.case.words, each.met] for each in rounds]
    parts.append(table(["Case", "What callers met instead of an answer"], met))
    notes = [f"- {each.case.words}: {note}." for each in rounds for note in each.notes]
    notes += [f"- {case.words}: not played, {case.missing()}." for case in skipped]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _line(played: Round) -> list[str]:
    silences = played.silences
    seconds = (min(silences), statistics.median(silences), max(silences))
    return [
        played.case.words,
        str(len(silences)),
        *(f"{each:.1f}" for each in seconds),
        str(played.acknowledged),
        str(len(played.lost)),
    ]
