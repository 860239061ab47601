"""The report of a run as a section of Markdown."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.chaos.audit import Check
from lab.chaos.client import Tally


@dataclass(frozen=True)
class RollingRestarts:
    """Seconds each server took to stop after SIGTERM, and what clients saw meanwhile."""

    stops: list[float]
    stuck: int
    operations: int
    failed: int
    repeats: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """Everything a run has found."""

    seed: int
    seconds: float
    tally: Tally
    faults: Mapping[str, int]
    ended: Mapping[str, int]  # parts that ended by themselves
    restarts: RollingRestarts
    checks: list[Check]
    bugs: list[str]

    @property
    def losses(self) -> list[str]:
        """All that went wrong, a line each; empty when nothing was lost."""
        lost = [f"{check.rule}: {loss}" for check in self.checks for loss in check.losses]
        failed = [f"an operation failed: {each}" for each in self.tally.failed]
        bugs = [f"{n} answers of 500: {operation}" for operation, n in self.tally.bugs.items()]
        ended = [f"{name} ended by itself, {n} times" for name, n in self.ended.items()]
        stuck = ["a server did not stop in time"] * self.restarts.stuck
        return lost + failed + bugs + ended + stuck + [f"in a log: {each}" for each in self.bugs]

    def markdown(self) -> str:
        """For docs/quality.md."""
        return "\n\n".join((self._summary(), self._faults(), self._clients(), self._afterwards()))

    def _summary(self) -> str:
        kills = sum(n for fault, n in self.faults.items() if fault.startswith("kill -9 of a "))
        restarts = self.restarts
        return (
            f'`make chaos ARGS="--seed {self.seed}"` on {datetime.now(UTC):%Y-%m-%d}, Python '
            f"{platform.python_version()}: {self.seconds:.0f} s of faults, then rolling restarts, "
            "all under load. Two servers of two processes, three workers, a durable PostgreSQL.\n"
            f"**{self.tally.done.total()} operations acknowledged, "
            f"{sum(self.faults.values()) + len(restarts.stops)} faults ({kills} times kill -9), "
            f"{len(self.losses)} losses.**\n\n"
            f"Rolling restarts alone: {len(restarts.stops)} times SIGTERM, the server was gone "
            f"after {max(restarts.stops, default=0):.1f} s at most; "
            f"{restarts.operations} operations, {restarts.failed} failed; "
            f"sent again: {_listed(restarts.repeats)}.\n\n"
            f"Acknowledged: {_listed(self.tally.done)}."
        )

    def _faults(self) -> str:
        lines = sorted(self.faults.items())
        restarted = ("SIGTERM to a server, one after the other", len(self.restarts.stops))
        return _table(("Fault", "Times"), [*lines, restarted])

    def _clients(self) -> str:
        tally = self.tally
        return _table(
            ("What customers saw", "Times"),
            [
                *((f"refused by the rules: {why}", n) for why, n in sorted(tally.refused.items())),
                *((f"sent again: {why}", n) for why, n in sorted(tally.repeats.items())),
                ("answers of 500", tally.bugs.total()),
                ("operations given up", len(tally.failed)),
                ("longest way to an answer, repeats included", f"{tally.longest_seconds:.0f} s"),
            ],
        )

    def _afterwards(self) -> str:
        checks = [(check.rule, check.looked_at, len(check.losses)) for check in self.checks]
        noise = len(self.bugs) + sum(self.ended.values())
        quiet = ("no error in a log, no part that ended by itself", "all", noise)
        return _table(("Afterwards", "Looked at", "Losses"), [*checks, quiet])


def _table(head: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    written = [head, ("---",) * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in written)


def _listed(counts: Mapping[str, int]) -> str:
    """Counts as an enumeration."""
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "nothing"
