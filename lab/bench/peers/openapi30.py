"""The contract as OpenAPI 3.0, for stock connexion."""

from __future__ import annotations

from typing import Any

from spec import CONTRACT


def as_openapi_30() -> dict[str, Any]:
    """A copy that connexion 3.3.0 accepts, without what only 3.1 has.

    That is the licence's identifier, the webhooks, and an exclusiveMinimum that is a number:
    connexion's validators would ignore it.
    """
    contract: dict[str, Any] = _copy(CONTRACT)
    del contract["info"]["license"], contract["webhooks"]
    return contract | {"openapi": "3.0.3"}


def _copy(node: Any) -> Any:
    if isinstance(node, list):
        return [_copy(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _copy(value)
        for key, value in node.items()
        if not (key == "exclusiveMinimum" and isinstance(value, int | float))
    }
