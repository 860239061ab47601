"""What a contract has lost of an earlier one, as texts; used by tests and by lab/judge/.

Requests may be limited further but ask for nothing new; answers may promise more but never change
their types. Texts are kept, too: they may only be extended. What was written in place may have
moved to a component, as a generator needs a name for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

# What a schema of an answer may add without breaking a client.
PROMISES = {"required", "properties", "description", "anyOf", "additionalProperties"}


def operations(contract: Node) -> dict[str, Node]:
    """Operations by operationId, each with its path and method."""
    return {
        operation["operationId"]: {"path": path, "method": method, **operation}
        for path, item in contract["paths"].items()
        for method, operation in item.items()
    }


def lost_operation(was: Node, now: Node, contract: Node) -> Iterator[str]:
    """What an operation has lost; parameters of `was` are written out, without references."""
    yield from _lost_texts(was, now, "operation")
    if now["tags"] != was["tags"]:
        yield f"tags: {was['tags']}"
    yield from _lost_parameters(was["parameters"], now, contract)
    for media, content in was.get("requestBody", {}).get("content", {}).items():
        body = now["requestBody"]
        if body["required"] != was["requestBody"]["required"]:
            yield "requestBody: required"
        kept = body["content"][media]["schema"]
        yield from _lost(content["schema"], kept, "body", contract)
    for status, response in was["responses"].items():
        yield from _lost_response(response, now["responses"].get(status), status, contract)


def _lost_parameters(was: list[Node], now: Node, contract: Node) -> Iterator[str]:
    components = contract["components"]["parameters"]
    kept = {
        (parameter["in"], parameter["name"]): parameter
        for entry in now.get("parameters", [])
        for parameter in [components[entry["$ref"].split("/")[-1]] if "$ref" in entry else entry]
    }
    for parameter in was:
        found = kept.pop((parameter["in"], parameter["name"]), None)
        yield from _lost_parameter(parameter, found, contract)
    yield from (f"{name}: a new parameter is required" for name in kept if kept[name]["required"])


def _lost_parameter(was: Node, now: Node | None, contract: Node) -> Iterator[str]:
    name = was["name"]
    if now is None:
        yield f"{name}: gone"
        return
    if now["required"] != was["required"]:
        yield f"{name}: required"
    yield from _lost_texts(was, now, name)
    yield from _lost(was["schema"], now["schema"], name, contract)


def _lost_response(was: Node, now: Node | None, status: str, contract: Node) -> Iterator[str]:
    if now is None:
        yield f"{status}: gone"
        return
    yield from _lost_texts(was, now, status)
    for media, content in was.get("content", {}).items():
        kept = now["content"][media]["schema"]
        yield from _lost(content["schema"], kept, status, contract, answer=True)


def lost_components(was: Node, now: Node) -> Iterator[str]:
    """What the components have lost."""
    contract = {"components": now}
    for name, schema in was["schemas"].items():
        yield from _lost(schema, now["schemas"][name], name, contract, answer=True)
    for name, parameter in was["parameters"].items():
        yield from _lost_parameter(parameter, now["parameters"][name], contract)
    for name, scheme in was["securitySchemes"].items():
        if not scheme.items() <= now["securitySchemes"][name].items():
            yield f"{name}: changed"
    for name, response in was["responses"].items():
        yield from _lost_response(response, now["responses"][name], name, contract)


def resolved(node: Node, contract: Node) -> Node:
    """A schema itself, or the component it names with what stands beside the reference."""
    if "$ref" not in node:
        return node
    beside = {key: value for key, value in node.items() if key != "$ref"}
    named: Node = contract["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return {**resolved(named, contract), **beside}


def _lost(
    was: Node, now: Node, where: str, contract: Node, *, answer: bool = False
) -> Iterator[str]:
    """What a schema has lost; `answer`: it may promise more, else it may be limited further."""
    if "$ref" in was:
        if was["$ref"] not in [
            now.get("$ref"),
            *(part.get("$ref") for part in now.get("allOf", [])),
        ]:
            yield f"{where}: {was['$ref']}"
        return
    now = resolved(now, contract)
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
            yield from _lost(schema, kept, f"{where}.{name}", contract, answer=answer)
    if "items" in was:
        kept = now.get("items", {})
        yield from _lost(was["items"], kept, f"{where}[]", contract, answer=answer)


def _narrowed(was: Node, now: Node, where: str, *, answer: bool) -> Iterator[str]:
    required, asked = set(was.get("required", [])), set(now.get("required", []))
    if answer:
        if not required <= asked:
            yield f"{where}: no longer promises {required - asked}"
        yield from (f"{where}: {key} is new" for key in now.keys() - was.keys() - PROMISES)
        if any(set(choice) != {"required"} for choice in now.get("anyOf", [])):
            yield f"{where}: anyOf narrows the answer"
        if now.get("additionalProperties") is False and "additionalProperties" not in was:
            yield f"{where}: the answer is closed"
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
