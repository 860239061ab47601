"""Nothing of the contract as given is lost, and no client written for it breaks.

given_inventory.json is that contract, with its two typos fixed. Requests may be
limited further but ask for nothing new; answers may promise more but never change their types.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.compatibility import Node, lost_components, lost_operation, operations

# What was added, and under which tag: of its own, or the given one that it belongs to.
ADDED = {
    "eventsList": ["Events"],
    "configGet": ["Config"],
    "supportRequestsCreate": ["Support"],
    "usersUpdateEmail": ["Users"],
    "healthLive": ["Ops"],
    "healthReady": ["Ops"],
    "modelsList": ["Models"],
    "paymentsCheck": ["Payments"],
    "paymentsGet": ["Payments"],
}


def test_every_given_operation_is_kept(contract: Node, given: Node) -> None:
    now = operations(contract)

    for operation_id, was in given["operations"].items():
        kept = now[operation_id]
        assert (kept["path"], kept["method"]) == (was["path"], was["method"])
        assert list(lost_operation(was, kept, contract)) == [], operation_id


def test_every_given_component_is_kept(contract: Node, given: Node) -> None:
    assert list(lost_components(given["components"], contract["components"])) == []


def test_the_head_of_the_contract_is_kept(contract: Node, given: Node) -> None:
    assert contract["openapi"] == given["openapi"]
    assert contract["info"]["title"] == given["info"]["title"]
    assert contract["info"]["description"].startswith(given["info"]["description"])
    assert contract["servers"][0] == given["servers"][0]
    assert contract["security"] == given["security"]
    names = [tag["name"] for tag in contract["tags"]]
    assert names[: len(given["tags"])] == given["tags"]


def test_what_was_added_is_known(contract: Node, given: Node) -> None:
    added = {
        operation_id: operation["tags"]
        for operation_id, operation in operations(contract).items()
        if operation_id not in given["operations"]
    }

    assert len(given["operations"]) == 24
    assert added == ADDED


def _schema(contract: Node, name: str) -> Node:
    schema: Node = contract["components"]["schemas"][name]
    return schema


def _body(contract: Node, path: str) -> Node:
    content = contract["paths"][path]["post"]["requestBody"]["content"]
    return _schema(contract, content["application/json"]["schema"]["$ref"].rpartition("/")[2])


BREAKAGES: dict[str, Callable[[Node], Any]] = {
    "a property lost": lambda c: _schema(c, "Job")["properties"].pop("orderId"),
    "a type changed": lambda c: _schema(c, "Tariff")["properties"]["monthlyTokens"].update(
        type="number"
    ),
    "a format lost": lambda c: _schema(c, "User")["properties"]["id"].pop("format"),
    "a status lost": lambda c: _schema(c, "JobStatus")["enum"].remove("failed"),
    "an answer narrowed": lambda c: _schema(c, "User")["properties"]["username"].update(
        maxLength=5
    ),
    "an answer closed": lambda c: _schema(c, "Data").update(additionalProperties=False),
    "a null allowed": lambda c: _schema(c, "User")["properties"]["email"].update(
        type=["string", "null"]
    ),
    "a required field added to a request": lambda c: _body(c, "/api/v1/payments/intents")[
        "required"
    ].append("provider"),
    "a limit of a request tightened": lambda c: _body(c, "/api/v1/jobs")["properties"][
        "description"
    ].update(maxLength=299),
    "a parameter lost": lambda c: c["paths"]["/api/v1/jobs"]["get"]["parameters"].pop(0),
    "a parameter made required": lambda c: c["components"]["parameters"]["Limit"].update(
        required=True
    ),
    "a status code lost": lambda c: c["paths"]["/api/v1/jobs"]["post"]["responses"].pop("201"),
    "a text lost": lambda c: c["paths"]["/api/v1/jobs"]["post"].update(summary="Create a job"),
    "the component of an answer swapped": lambda c: c["paths"]["/api/v1/tariffs"]["get"][
        "responses"
    ]["200"]["content"]["application/json"]["schema"].update(items={"type": "object"}),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_break_of_the_contract_is_noticed(contract: Node, given: Node, breakage: str) -> None:
    broken = copy.deepcopy(contract)
    BREAKAGES[breakage](broken)
    now = operations(broken)

    lost = [
        text
        for operation_id, was in given["operations"].items()
        for text in lost_operation(was, now[operation_id], broken)
    ]
    lost += lost_components(given["components"], broken["components"])

    assert lost
