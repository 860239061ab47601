"""Nothing of the contract as given is lost, and no client written for it breaks.

given_inventory.json is that contract, with its two slips of the pen mended. Requests may be
limited further but ask for nothing new; answers may promise more but never change their types.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Node = dict[str, Any]

# What a schema of an answer may say beyond the given one without surprising a client.
PROMISES = {"required", "properties", "description", "anyOf"}


def test_every_given_operation_is_kept(contract: Node, given: Node) -> None:
    now = _operations(contract)

    for operation_id, was in given["operations"].items():
        kept = now[operation_id]
        assert (kept["path"], kept["method"]) == (was["path"], was["method"])
        assert list(_lost_operation(was, kept, contract)) == [], operation_id


def test_every_given_component_is_kept(contract: Node, given: Node) -> None:
    assert list(_lost_components(given["components"], contract["components"])) == []


def test_the_head_of_the_contract_is_kept(contract: Node, given: Node) -> None:
    assert contract["openapi"] == given["openapi"]
    assert contract["info"]["title"] == given["info"]["title"]
    assert contract["info"]["description"].startswith(given["info"]["description"])
    assert contract["servers"][0] == given["servers"][0]
    assert contract["security"] == given["security"]
    names = [tag["name"] for tag in contract["tags"]]
    assert names[: len(given["tags"])] == given["tags"]


def test_operations_were_added_under_ops_only(contract: Node, given: Node) -> None:
    added = {
        operation_id: operation["tags"]
        for operation_id, operation in _operations(contract).items()
        if operation_id not in given["operations"]
    }

    assert len(given["operations"]) == 24
    assert added == {"healthLive": ["Ops"], "healthReady": ["Ops"]}


def _schema(contract: Node, name: str) -> Node:
    schema: Node = contract["components"]["schemas"][name]
    return schema


def _body(contract: Node, path: str) -> Node:
    content = contract["paths"][path]["post"]["requestBody"]["content"]
    schema: Node = content["application/json"]["schema"]
    return schema


BREAKAGES: dict[str, Callable[[Node], Any]] = {
    "a property lost": lambda c: _schema(c, "Job")["properties"].pop("orderId"),
    "a type changed": lambda c: _schema(c, "Tariff")["properties"]["monthlyTokens"].update(
        type="number"
    ),
    "a format lost": lambda c: _schema(c, "User")["properties"]["id"].pop("format"),
    "a status lost": lambda c: _schema(c, "Job")["properties"]["status"]["enum"].remove("failed"),
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
    now = _operations(broken)

    lost = [
        text
        for operation_id, was in given["operations"].items()
        for text in _lost_operation(was, now[operation_id], broken)
    ]
    lost += _lost_components(given["components"], broken["components"])

    assert lost


def _operations(contract: Node) -> dict[str, Node]:
    return {
        operation["operationId"]: {"path": path, "method": method, **operation}
        for path, item in contract["paths"].items()
        for method, operation in item.items()
    }


def _lost_operation(was: Node, now: Node, contract: Node) -> Iterator[str]:
    yield from _lost_texts(was, now, "operation")
    if now["tags"] != was["tags"]:
        yield f"tags: {was['tags']}"
    yield from _lost_parameters(was["parameters"], now, contract)
    for media, content in was.get("requestBody", {}).get("content", {}).items():
        body = now["requestBody"]
        if body["required"] != was["requestBody"]["required"]:
            yield "requestBody: required"
        yield from _lost(content["schema"], body["content"][media]["schema"], "body")
    for status, response in was["responses"].items():
        yield from _lost_response(response, now["responses"].get(status), status)


def _lost_parameters(was: list[Node], now: Node, contract: Node) -> Iterator[str]:
    components = contract["components"]["parameters"]
    kept = {
        (parameter["in"], parameter["name"]): parameter
        for entry in now.get("parameters", [])
        for parameter in [components[entry["$ref"].split("/")[-1]] if "$ref" in entry else entry]
    }
    for parameter in was:
        yield from _lost_parameter(parameter, kept.pop((parameter["in"], parameter["name"]), None))
    yield from (f"{name}: a new parameter is required" for name in kept if kept[name]["required"])


def _lost_parameter(was: Node, now: Node | None) -> Iterator[str]:
    name = was["name"]
    if now is None:
        yield f"{name}: gone"
        return
    if now["required"] != was["required"]:
        yield f"{name}: required"
    yield from _lost_texts(was, now, name)
    yield from _lost(was["schema"], now["schema"], name)


def _lost_response(was: Node, now: Node | None, status: str) -> Iterator[str]:
    if now is None:
        yield f"{status}: gone"
        return
    yield from _lost_texts(was, now, status)
    for media, content in was.get("content", {}).items():
        yield from _lost(content["schema"], now["content"][media]["schema"], status, answer=True)


def _lost_components(was: Node, now: Node) -> Iterator[str]:
    for name, schema in was["schemas"].items():
        yield from _lost(schema, now["schemas"][name], name, answer=True)
    for name, parameter in was["parameters"].items():
        yield from _lost_parameter(parameter, now["parameters"][name])
    for name, scheme in was["securitySchemes"].items():
        if not scheme.items() <= now["securitySchemes"][name].items():
            yield f"{name}: changed"
    for name, response in was["responses"].items():
        yield from _lost_response(response, now["responses"][name], name)


def _lost(was: Node, now: Node, where: str, *, answer: bool = False) -> Iterator[str]:
    """What a schema no longer keeps; `answer` tells which way it may change."""
    if "$ref" in was:
        if was["$ref"] not in [
            now.get("$ref"),
            *(part.get("$ref") for part in now.get("allOf", [])),
        ]:
            yield f"{where}: {was['$ref']}"
        return
    for key in ("type", "format", "enum"):
        if key in was and now.get(key) != was[key]:
            yield f"{where}: {key} was {was[key]}, is {now.get(key)}"
    yield from _lost_texts(was, now, where)
    yield from _narrowed(was, now, where, answer=answer)
    for name, schema in was.get("properties", {}).items():
        kept = now.get("properties", {}).get(name)
        if kept is None:
            yield f"{where}.{name}: gone"
        else:
            yield from _lost(schema, kept, f"{where}.{name}", answer=answer)
    if "items" in was:
        yield from _lost(was["items"], now.get("items", {}), f"{where}[]", answer=answer)


def _narrowed(was: Node, now: Node, where: str, *, answer: bool) -> Iterator[str]:
    required, asked = set(was.get("required", [])), set(now.get("required", []))
    if answer:
        if not required <= asked:
            yield f"{where}: no longer promises {required - asked}"
        yield from (f"{where}: {key} is new" for key in now.keys() - was.keys() - PROMISES)
        if any(set(choice) != {"required"} for choice in now.get("anyOf", [])):
            yield f"{where}: anyOf narrows the answer"
    elif required != asked:
        yield f"{where}: required was {required}, is {asked}"
    yield from (
        f"{where}: {key} was {was[key]}, is {now.get(key)}"
        for key in ("minimum", "maximum", "maxLength")
        if key in was and now.get(key) != was[key]
    )


def _lost_texts(was: Node, now: Node, where: str) -> Iterator[str]:
    for key in ("summary", "description"):
        if not now.get(key, "").startswith(was.get(key, "").rstrip()):
            yield f"{where}: {key} was {was[key]!r}"
