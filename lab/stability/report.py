"""What pytest reported of each run, as a section of Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from lab.bench.page import about, table

NO_REPORT = "the run ended without a report"


@dataclass(frozen=True)
class Outcome:
    """One run; `failures` names the tests that failed."""

    number: int
    loops: int
    seconds: float
    tests: int
    failures: list[str]

    @property
    def machine(self) -> str:
        """What the machine did besides."""
        return f"{self.loops} busy loops" if self.loops else "quiet"

    @property
    def summary(self) -> str:
        """For whoever watches."""
        failed = f", failed: {', '.join(self.failures)}" if self.failures else ""
        return f"{self.tests} tests in {self.seconds:.0f} s{failed}"


def read(folder: Path, number: int, *, loops: int, seconds: float) -> Outcome:
    """The outcome of a run by its report in `folder`; a run without one has failed."""
    try:
        root = ElementTree.parse(folder / f"run-{number}.xml").getroot()  # noqa: S314 pytest wrote it
    except (FileNotFoundError, ElementTree.ParseError):
        return Outcome(number, loops, seconds, 0, [NO_REPORT])
    cases = list(root.iter("testcase"))
    failures = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return Outcome(number, loops, seconds, len(cases), failures or ([] if cases else [NO_REPORT]))


def markdown(outcomes: list[Outcome]) -> str:
    """For docs/quality.md."""
    failed = Counter(name for outcome in outcomes for name in outcome.failures)
    rows = [
        [
            str(outcome.number),
            outcome.machine,
            str(outcome.tests),
            str(len(outcome.failures)),
            f"{outcome.seconds:.0f}",
        ]
        for outcome in outcomes
    ]
    parts = [
        f"{about('make test-stability')}: {len(outcomes)} runs of `make test` in a row.",
        f"**{failed.total()} failures in {sum(each.tests for each in outcomes)} tests.**",
        "\n" + table(["Run", "Machine", "Tests", "Failures", "Seconds"], rows),
    ]
    if failed:
        times = [[name, str(count)] for name, count in failed.most_common()]
        parts.append("\n" + table(["Failed", "Times"], times))
    return "\n".join(parts)
