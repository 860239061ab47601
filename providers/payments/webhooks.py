"""Reading what was posted to a webhook, before any of it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from errors import ApiError

# What reading JSON of an unexpected shape raises.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


def header(headers: Mapping[str, str], name: str) -> str:
    """The value of a header whatever the case of its name, "" when absent."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), "")


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body. ApiError `bad_request` for anything else."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError("bad_request", "The body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError("bad_request", "The body is not a JSON object")
    return body


def uuid_or_none(value: object) -> UUID | None:
    """The payment id that we once gave to the provider, None for anything that is not a UUID."""
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def picked(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The named members that are there: the inbox stores known fields only."""
    return {name: source[name] for name in names if source.get(name) is not None}
