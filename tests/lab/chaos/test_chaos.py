"""`make chaos` in short: every kind of fault once, and nothing is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lab.chaos import faults
from lab.chaos.schedule import FULL_SECONDS, plan
from local.postgres import throwaway
from tests.wire import ROOT

SEED, SECONDS, CUSTOMERS = 7, 14, 3
LIMIT_SECONDS = 380


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder where the database may run as another user."""
    with throwaway.state_folder("chaos") as made:
        yield made


def test_a_short_run_has_every_fault_and_loses_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "lab.chaos", "--folder", str(folder)]
    command += ["--seed", str(SEED), "--seconds", str(SECONDS), "--rounds", "1"]
    command += ["--customers", str(CUSTOMERS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("\n0 losses\n")
    for group in faults.GROUPS.values():
        for fault in group:
            assert re.search(rf"^\| {faults.words(fault)} \| [1-9]", run.stdout, re.MULTILINE)
    assert "; sent again: " in run.stdout and " 0 failed;" in run.stdout


def test_a_plan_can_be_repeated_by_its_seed() -> None:
    plans = [plan(60, Random(seed)) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_a_full_run_has_what_it_promises() -> None:
    planned = plan(FULL_SECONDS, Random(3))
    counted = {group: Counter(fault for _, fault in planned[group]) for group in planned}
    assert counted["kill -9"].total() >= 50
    assert (
        counted["database"][faults.stop_postgres] + counted["database"][faults.kill_postgres] >= 5
    )
    for group, counts in counted.items():
        assert counts.keys() == faults.GROUPS[group].keys() and min(counts.values()) >= 2
        moments = [at for at, _ in planned[group]]
        assert moments == sorted(moments) and moments[0] >= 0 and moments[-1] < FULL_SECONDS
