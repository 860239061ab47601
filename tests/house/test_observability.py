"""Alarms and dashboards speak of metrics that the code counts, and are what they seem."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spec import CONTRACT
from spec.operations import operations_of
from telemetry import metrics
from tests.house.code import ROOT
from tests.house.documents import anchors
from tests.house.series import FOLDER, METRIC, RULES, shown

TESTS = yaml.safe_load((FOLDER / "rules_test.yml").read_text("utf-8"))
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
# What Prometheus adds, and what belongs to a histogram.
LABELS = {"instance", "job", "le"}


def alerts() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            yield file.name, panel


def expressions() -> list[str]:
    """Of every rule and every panel, as Prometheus would get it."""
    rules = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    targets = [target["expr"] for _, panel in panels() for target in panel.get("targets", [])]
    return [text.replace("$__rate_interval", "5m") for text in [*rules, *targets]]


def test_what_is_asked_for_is_counted_with_these_labels() -> None:
    known = shown()
    for text in expressions():
        for name, matchers in METRIC.findall(text):
            assert name in known, text
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= known[name] | LABELS, text
        used = {name for name, _ in METRIC.findall(text)}
        grouped = re.findall(r"\b(?:by|on) \((.*?)\)", text)
        asked = {label.strip() for group in grouped for label in group.split(",")}
        assert asked <= set().union(*(known[name] for name in used)) | LABELS, text


def test_whatever_is_counted_is_shown_or_called_about() -> None:
    used = {name for text in expressions() for name, _ in METRIC.findall(text)}
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in used}
    assert set(metrics.METRICS) - used - bare == set()


def test_operations_and_services_that_are_named_exist() -> None:
    known = {each.operation_id for each in operations_of(CONTRACT)} | {"other", "health.*"}
    for text in expressions():
        for named in re.findall(r'operation[=!]~?"(.*?)"', text):
            assert set(named.split("|")) <= known, text


def test_every_alert_says_what_it_is_and_where_to_read_what_to_do() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        file, _, heading = alert["annotations"]["runbook"].partition("#")
        assert heading in anchors((ROOT / file).read_text("utf-8")), alert["alert"]
        assert alert["annotations"]["summary"]


def test_every_alert_is_tried_with_what_makes_it_fire_and_with_what_does_not() -> None:
    cases = [case for test in TESTS["tests"] for case in test["alert_rule_test"]]
    for fires in (True, False):
        tried = {case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires}
        assert {alert["alert"] for alert in alerts()} - tried == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_can_be_shown(file: Path) -> None:
    board = json.loads(file.read_text("utf-8"))
    assert board["uid"].startswith("livephoto-") and board["title"].startswith("Live Photo: ")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: apt install prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_fire_as_their_tests_say() -> None:
    promtool("test", "rules", FOLDER / "rules_test.yml")


def test_prometheus_can_read_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"a:b{n}", "expr": text} for n, text in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    promtool("check", "rules", file)


def test_compose_brings_files_that_are_there() -> None:
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    for name in ("prometheus", "grafana"):
        service = composed["services"][name]
        assert service["profiles"] == ["observability"]
        files = [each.split(":")[0] for each in service["volumes"] if each.startswith("./")]
        assert files and all((ROOT / each).exists() for each in files)
