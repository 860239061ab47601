"""How rows become components of the contract; their fields are declared in handlers/schemas.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, TypeVar

from marshmallow import Schema, fields

from db.types import moment, number

R = TypeVar("R")


class Amount(fields.Field[Decimal]):
    """An amount of tokens or rubles."""


class Moment(fields.Field[datetime]):
    """An aware time in RFC 3339, UTC."""


class Made(fields.Field[Any]):
    """What no column holds: a function makes it of the row."""

    def __init__(self, make: Callable[[R], object]) -> None:
        super().__init__()
        self.make = make


class Component(Schema, Generic[R]):
    """A component of the contract, made of rows of type R.

    A field is the row's field of the same name, in camelCase. marshmallow declares it; what its
    dump() does for each row is done once here, and takes a fifth of its time: rows hold values of
    the fields' own types, which it would check again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps = [
            (each.data_key or name, *_step(name, each)) for name, each in self.fields.items()
        ]

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        head, *tail = field_name.split("_")
        field_obj.data_key = head + "".join(map(str.title, tail))

    def body(self, row: R) -> dict[str, Any]:
        """The row, ready for JSON; what is None is left out."""
        body = {}
        for name, read, convert in self._steps:
            value = read(row)
            if value is not None:
                body[name] = value if convert is None else convert(value)
        return body


_CONVERSIONS: dict[type[fields.Field[Any]], Callable[[Any], Any] | None] = {
    Amount: number,
    Moment: moment,
    fields.Boolean: bool,
    fields.Integer: int,
    fields.Raw: None,
    fields.String: str,
    fields.UUID: str,
}


def _step(
    name: str, described: fields.Field[Any]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any] | None]:
    """How a field is read from a row, and how its value is converted."""
    if isinstance(described, Made):
        return described.make, None
    return attrgetter(described.attribute or name), _CONVERSIONS[type(described)]
