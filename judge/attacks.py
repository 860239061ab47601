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
# No key, no parameter, no body: there is one request, and what is wrong with the others.
TAKE_NOTHING = {"GET /api/v1/health/live", "GET /api/v1/health/ready"}


def schemathesis() -> str:
    """All phases and checks; every operation got CASES requests, stateful ones apart."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    depth = ("--max-examples", str(CASES), "--seed", str(SEED))
    report = ("--report", "ndjson", "--report-dir", str(REPORTS))
    said = run_tool(
        *(sys.executable, "-m", "tests.contract.fuzz", *depth, *report), seconds=MOST_SECONDS
    )
    counted = _counted(next(REPORTS.glob("*.ndjson")))
    stateful = counted.pop("stateful")
    _insist_on_depth(counted)
    summary = re.search(r"(\d+) generated, (\d+) passed", said)
    insist(summary is not None and summary[1] == summary[2], said)
    least = min(counted[name] for name in counted.keys() - TAKE_NOTHING)
    return (
        f"{counted.total() + stateful} cases, 0 failures; {len(counted)} operations, at least "
        f"{least} cases each but for the 2 that take nothing; {stateful} cases in stories"
    )


def _counted(report: Path) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in report.read_text("utf-8").splitlines():
        ended = json.loads(line).get("ScenarioFinished")
        if ended is None:
            continue
        story = ended["phase"] == "stateful"
        name = "stateful" if story else ended["recorder"]["label"]
        counted[name] += len(ended["recorder"].get("cases", {}))
    return counted


def _insist_on_depth(counted: Counter[str]) -> None:
    paths = yaml.safe_load(CONTRACT.read_text("utf-8"))["paths"]
    names = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    shallow = {name: counted[name] for name in names - TAKE_NOTHING if counted[name] < CASES}
    insist(not shallow, f"fewer than {CASES} cases: {shallow}")
