"""Breaking changes since the last release's contract, kept in released-openapi.yaml.

`make release` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.operations import inlined
from tests.contract.compatibility import Node, lost_components, lost_operation, operations

# Any change of these in a request rejects what was accepted, unless the keyword is removed.
EXACT = ("type", "format", "pattern", "multipleOf", "uniqueItems", "additionalProperties", "anyOf")
TEXTS = ("summary", "description")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def losses(was: Node, now: Node) -> Iterator[str]:
    """What may break a client of `was` in `now`; texts may be rewritten."""
    kept = operations(now)
    for name, operation in operations(was).items():
        if name not in kept:
            yield f"{name}: gone"
            continue
        found = kept[name]
        if (found["path"], found["method"]) != (operation["path"], operation["method"]):
            yield f"{name}: has moved to {found['method']} {found['path']}"
        old = _without(TEXTS, _resolve(operation, was))
        yield from (f"{name}: {lost}" for lost in lost_operation(old, found, now))
        asked = _request_tree(operation, was), _request_tree(found, now)
        yield from (f"{name}: {tighter}" for tighter in _tightened(*asked, "request"))
    # Parameters and bodies are compared with the operations that take them.
    answers = {k: v for k, v in was["components"]["schemas"].items() if not k.endswith("Body")}
    components = {"securitySchemes": {}, **was["components"], "parameters": {}, "schemas": answers}
    yield from lost_components(_without(TEXTS, components), now["components"])


def _resolve(operation: Node, contract: Node) -> Node:
    """An operation without references to parameters and without limits, which may be widened."""
    parts: Node = {"parameters": _parameters(operation, contract)}
    if "requestBody" in operation:
        parts["requestBody"] = inlined(contract, operation["requestBody"])
    return {**operation, **_without((*LOWER, *UPPER), parts)}


def _parameters(operation: Node, contract: Node) -> list[Node]:
    components = contract["components"]["parameters"]
    return [
        components[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation.get("parameters", [])
    ]


def _request_tree(operation: Node, contract: Node) -> Node:
    """Everything a request may contain, as one tree."""
    tree = {
        f"{each['in']} {each['name']}": each["schema"] for each in _parameters(operation, contract)
    }
    return dict(inlined(contract, {**tree, **operation.get("requestBody", {}).get("content", {})}))


def _tightened(was: Node, now: Node, where: str) -> Iterator[str]:
    for key in (*EXACT, *LOWER, *UPPER):
        # A property may be named like a keyword; its value is then a schema, compared below.
        if key in now and not isinstance(now[key], dict) and _tighter(key, was.get(key), now[key]):
            yield f"{where}: {key} was {was.get(key)}, is {now[key]}"
    for key, below in was.items():
        for old, new, name in _pairs(below, now.get(key), key):
            yield from _tightened(old, new, f"{where}.{name}")


def _pairs(was: Any, now: Any, key: str) -> Iterator[tuple[Node, Node, str]]:
    if isinstance(was, dict) and isinstance(now, dict):
        yield was, now, key
    elif isinstance(was, list) and isinstance(now, list):
        for number, (old, new) in enumerate(zip(was, now, strict=False)):
            if isinstance(old, dict) and isinstance(new, dict):
                yield old, new, f"{key}.{number}"


def _tighter(key: str, was: Any, now: Any) -> bool:
    if key == "additionalProperties" and was is None:
        was = True  # which is what its absence means
    if key in EXACT:
        return bool(was != now)
    if was is None:
        return True
    return bool(now > was if key in LOWER else now < was)


def _without(keys: tuple[str, ...], node: Any) -> Any:
    """A copy without some keywords. A property of that name is a schema, and is kept."""
    if isinstance(node, dict):
        return {
            key: _without(keys, value)
            for key, value in node.items()
            if key not in keys or isinstance(value, dict)
        }
    return [_without(keys, value) for value in node] if isinstance(node, list) else node
