"""The report of `make chaos` counts every kind of loss."""

from __future__ import annotations

from collections import Counter

from lab.chaos.audit import Check
from lab.chaos.client import Tally
from lab.chaos.report import Report, RollingRestarts

LOSSES = [
    "a done job has its result: job 1 has none",
    "an operation failed: jobsCreate: never answered",
    "2 answers of 500: jobsList",
    "worker-1 ended by itself, 3 times",
    "a server did not stop in time",
    "a server did not stop in time",
    "in a log: server-1: a traceback",
]


def report(*, lost: bool) -> Report:
    """The report of a run that lost something of each kind, or nothing."""
    tally = Tally(done=Counter(jobsCreate=5))
    if lost:
        tally.failed.append("jobsCreate: never answered")
        tally.bugs["jobsList"] = 2
    losses = ["job 1 has none"] if lost else []
    return Report(
        seed=1,
        seconds=10,
        tally=tally,
        faults={"kill -9 of a worker": 4},
        ended={"worker-1": 3} if lost else {},
        restarts=RollingRestarts([2.5], stuck=2 if lost else 0, operations=7, failed=0, repeats={}),
        checks=[Check("a done job has its result", 5, losses)],
        bugs=["server-1: a traceback"] if lost else [],
    )


def test_each_kind_of_loss_is_told_and_counted() -> None:
    lossy = report(lost=True)
    assert lossy.losses == LOSSES
    text = lossy.markdown()
    assert f", {len(LOSSES)} losses.**" in text
    assert "| a done job has its result | 5 | 1 |" in text
    assert "no part that ended by itself | all | 4 |" in text
    assert "| answers of 500 | 2 |" in text and "| operations given up | 1 |" in text


def test_a_run_that_lost_nothing_says_so() -> None:
    whole = report(lost=False)
    assert whole.losses == []
    assert ", 0 losses.**" in whole.markdown()
