"""JSON as values of Python: exact amounts, times with their zone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

JsonObject = Mapping[str, Any]


def parsed(text: str | bytes) -> Any:
    """JSON whose fractions are Decimal, never float."""
    return json.loads(text, parse_float=Decimal)


def amount(value: Any) -> Decimal:
    """A number of JSON as an exact amount."""
    return value if isinstance(value, Decimal) else Decimal(value)


def exact(value: Decimal | int) -> int | float:
    """An amount as a number of JSON: a float of two places is printed as it was written."""
    return int(value) if value == int(value) else float(value)


def moment(value: str) -> datetime:
    """A time of RFC 3339, aware of its zone."""
    return datetime.fromisoformat(value)


def present(fields: JsonObject) -> dict[str, Any]:
    """Only what is known: the contract has no null."""
    return {name: value for name, value in fields.items() if value is not None}
