"""What a drill has found, as a section of Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bench.page import about, table
from lab.chaos.audit import Check
from lab.chaos.client import Tally
from lab.upgrade.release import Release


@dataclass(frozen=True)
class Phase:
    """One step of an upgrade, and what customers saw meanwhile."""

    name: str
    seconds: float
    operations: int
    again: int
    failed: int


@dataclass(frozen=True)
class Report:
    """Everything a drill has found."""

    released: Release
    phases: list[Phase]
    tally: Tally
    unready: list[str]
    checks: list[Check]
    bugs: list[str]
    customers: int

    @property
    def losses(self) -> list[str]:
        """All that went wrong, a line each. A request that has to be sent again is wrong, too."""
        lost = [f"{check.rule}: {loss}" for check in self.checks for loss in check.losses]
        again = [f"sent again {n} times: {why}" for why, n in self.tally.repeats.items()]
        failed = [f"an operation failed: {each}" for each in self.tally.failed]
        unready = [f"not ready while {each}" for each in self.unready]
        return lost + again + failed + unready + [f"in a log: {each}" for each in self.bugs]

    def markdown(self) -> str:
        """For docs/quality.md."""
        done = sum(phase.operations for phase in self.phases)
        looked = sum(check.looked_at for check in self.checks)
        lost = sum(len(check.losses) for check in self.checks)
        names = dict.fromkeys(each.name for each in self.phases)
        rows = [
            self._row(name, [each for each in self.phases if each.name == name]) for name in names
        ]
        return (
            f"{about('make upgrade-drill')}: release {self.released.version} under the load of "
            f"{self.customers} customers, two servers of two processes behind a balancer that asks "
            "for readiness.\n"
            f"**{done} operations, {self._answers()}; the audit looked at {looked} things, "
            f"{lost} losses.**\n\n"
            + table(["Step", "seconds", "operations", "failed or sent again"], rows)
        )

    def _row(self, name: str, phases: list[Phase]) -> list[str]:
        """Phases of one name together."""
        seconds = sum(each.seconds for each in phases)
        done = sum(each.operations for each in phases)
        wrong = sum(each.again + each.failed for each in phases)
        return [name, f"{seconds:.1f}", str(done), str(wrong)]

    def _answers(self) -> str:
        wrong = self.tally.repeats.total() + len(self.tally.failed)
        return f"{wrong} failed or sent again, {len(self.unready)} times a server unready"
