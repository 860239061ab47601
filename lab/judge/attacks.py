"""schemathesis at full depth: `make fuzz` with ten times the cases, counted per operation."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import yaml

from lab.judge.verdicts import CONTRACT, WORK, insist, run_tool

REPORTS = WORK / "schemathesis"
CASES = 300
SEED = 1
MOST_SECONDS = 1200
STORIES = "stateful"
# No key, no parameter, no body: there is one valid request, and few invalid ones.
TAKE_NOTHING = {"GET /api/v1/health/live", "GET /api/v1/health/ready"}


def schemathesis() -> str:
    """Run all phases and checks; every operation gets CASES requests beside the stateful ones."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    cases = _attack()
    # Where an operation uses up its input, such as jobs to cancel, hypothesis sees other choices
    # than before and stops early. Alone, with nothing creating jobs, it runs to the end.
    for name, operation_id in _shallow(cases).items():
        alone = ("--phases", "examples,coverage,fuzzing", "--include-operation-id", operation_id)
        cases += _attack(*alone)
        insist(cases[name] >= CASES, f"{name}: only {cases[name]} cases of {CASES}")
    stateful = cases.pop(STORIES)
    least = min(cases[name] for name in cases.keys() - TAKE_NOTHING)
    return (
        f"{cases.total() + stateful} cases, 0 failures; {len(cases)} operations, at least "
        f"{least} cases each but for the 2 that take nothing; {stateful} cases in stories"
    )


def _attack(*choice: str) -> Counter[str]:
    """Run schemathesis; cases per operation and in all scenarios. FoundError when one failed."""
    folder = REPORTS / (choice[-1] if choice else "all")
    depth = ("--max-examples", str(CASES), "--seed", str(SEED))
    report = ("--report", "ndjson", "--report-dir", str(folder))
    fuzz = (sys.executable, "-m", "tests.contract.fuzz")
    output = run_tool(*fuzz, *depth, *report, *choice, seconds=MOST_SECONDS)
    summary = re.search(r"(\d+) generated, (\d+) passed", output)
    insist(summary is not None and summary[1] == summary[2], output)
    return _count_cases(next(folder.glob("*.ndjson")))


def _count_cases(report: Path) -> Counter[str]:
    cases: Counter[str] = Counter()
    for line in report.read_text("utf-8").splitlines():
        ended = json.loads(line).get("ScenarioFinished")
        if ended is None:
            continue
        recorder = ended["recorder"]
        name = STORIES if ended["phase"] == "stateful" else recorder["label"]
        cases[name] += len(recorder.get("cases", {}))
    return cases


def _shallow(cases: Counter[str]) -> dict[str, str]:
    """operationIds, by method and path, of operations with too few cases."""
    paths = yaml.safe_load(CONTRACT.read_text("utf-8"))["paths"]
    names = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
    }
    return {
        name: operation_id
        for name, operation_id in names.items()
        if name not in TAKE_NOTHING and cases[name] < CASES
    }
