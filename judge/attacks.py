"""schemathesis at full depth: `make fuzz` with ten times the cases, counted per operation."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import yaml

from judge.verdicts import CONTRACT, WORK, insist, run_tool

REPORTS = WORK / "schemathesis"
CASES = 300
SEED = 1
MOST_SECONDS = 1200
STORIES = "stateful"
# No key, no parameter, no body: there is one request, and what is wrong with the others.
TAKE_NOTHING = {"GET /api/v1/health/live", "GET /api/v1/health/ready"}


def schemathesis() -> str:
    """All phases and checks; every operation got CASES requests, stateful ones apart."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    counted = _attack()
    # Where an operation uses up what it is given, such as jobs to cancel, hypothesis sees other
    # choices than before and gives up early. Alone, with nobody making jobs, it goes to the end.
    for name, operation_id in _shallow(counted).items():
        alone = ("--phases", "examples,coverage,fuzzing", "--include-operation-id", operation_id)
        counted += _attack(*alone)
        insist(counted[name] >= CASES, f"{name}: only {counted[name]} cases of {CASES}")
    stateful = counted.pop(STORIES)
    least = min(counted[name] for name in counted.keys() - TAKE_NOTHING)
    return (
        f"{counted.total() + stateful} cases, 0 failures; {len(counted)} operations, at least "
        f"{least} cases each but for the 2 that take nothing; {stateful} cases in stories"
    )


def _attack(*choice: str) -> Counter[str]:
    """Cases per operation, and those of all stories. FoundError when one failed."""
    folder = REPORTS / (choice[-1] if choice else "all")
    depth = ("--max-examples", str(CASES), "--seed", str(SEED))
    report = ("--report", "ndjson", "--report-dir", str(folder))
    fuzz = (sys.executable, "-m", "tests.contract.fuzz")
    said = run_tool(*fuzz, *depth, *report, *choice, seconds=MOST_SECONDS)
    summary = re.search(r"(\d+) generated, (\d+) passed", said)
    insist(summary is not None and summary[1] == summary[2], said)
    return _counted(next(folder.glob("*.ndjson")))


def _counted(report: Path) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in report.read_text("utf-8").splitlines():
        ended = json.loads(line).get("ScenarioFinished")
        if ended is None:
            continue
        recorder = ended["recorder"]
        name = STORIES if ended["phase"] == "stateful" else recorder["label"]
        counted[name] += len(recorder.get("cases", {}))
    return counted


def _shallow(counted: Counter[str]) -> dict[str, str]:
    """operationIds, by method and path, of operations that got too few cases."""
    paths = yaml.safe_load(CONTRACT.read_text("utf-8"))["paths"]
    names = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
    }
    return {
        name: operation_id
        for name, operation_id in names.items()
        if name not in TAKE_NOTHING and counted[name] < CASES
    }
