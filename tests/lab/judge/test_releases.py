"""The judge of releases notices what would break a client of the last one, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.judge.releases import losses

CONTRACT = Path(__file__).parents[3] / "spec/openapi.yaml"
Node = dict[str, Any]


@pytest.fixture(scope="module")
def contract() -> Node:
    document: Node = yaml.safe_load(CONTRACT.read_text("utf-8"))
    return document


def _body(contract: Node) -> Node:
    schema: Node = contract["components"]["schemas"]["JobsCreateBody"]
    return schema


def _limit(contract: Node) -> Node:
    schema: Node = contract["components"]["parameters"]["Limit"]["schema"]
    return schema


BREAKS: dict[str, Callable[[Node], Any]] = {
    "an operation lost": lambda c: c["paths"].pop("/api/v1/tariffs"),
    "an operation moved": lambda c: c["paths"].update(
        {"/api/v2/tariffs": c["paths"].pop("/api/v1/tariffs")}
    ),
    "a field lost": lambda c: c["components"]["schemas"]["Job"]["properties"].pop("progress"),
    "a promise taken back": lambda c: c["components"]["schemas"]["Job"]["required"].remove("meta"),
    "more to send": lambda c: _body(c)["required"].append("description"),
    "less to send": lambda c: _body(c)["properties"]["input"].update(maxItems=2),
    "a new limit": lambda c: _body(c)["properties"]["description"].update(minLength=1),
    "a new pattern": lambda c: _body(c)["properties"]["description"].update(pattern="^a"),
    "a shorter page": lambda c: _limit(c).update(maximum=10),
    "a longer shortest page": lambda c: _limit(c).update(minimum=10),
}
NO_BREAKS: dict[str, Callable[[Node], Any]] = {
    "nothing": lambda c: None,
    "other words": lambda c: c["paths"]["/api/v1/jobs"]["post"].update(summary="Create a job"),
    "a longer text taken": lambda c: _body(c)["properties"]["description"].update(maxLength=900),
    "a longer page": lambda c: _limit(c).update(maximum=2000),
    "a new operation": lambda c: c["paths"].update(
        {"/new": {"get": c["paths"]["/api/v1/tariffs"]["get"] | {"operationId": "new"}}}
    ),
    "a new field of an answer": lambda c: c["components"]["schemas"]["Job"]["properties"].update(
        more={"type": "string"}
    ),
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_break_is_noticed(contract: Node, change: str) -> None:
    changed = copy.deepcopy(contract)
    BREAKS[change](changed)

    assert list(losses(contract, changed))


@pytest.mark.parametrize("change", NO_BREAKS)
def test_growth_is_no_break(contract: Node, change: str) -> None:
    changed = copy.deepcopy(contract)
    NO_BREAKS[change](changed)

    assert list(losses(contract, changed)) == []
