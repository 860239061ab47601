"""JSON Schema 2020-12 as the contract uses it: compiled once, each refusal worded here.

connexion's own validators are draft 4, leave `format: uuid` unchecked and are rebuilt for every
request; jsonschema-rs does 2020-12 with formats about a hundred times faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

MAX_REASONS = 10
_MAX_FIELD = 200
# Names of unknown fields come from the client: only what looks like a name is repeated.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

WHOLE_BODY = "body"
# What may limit a number where no `type` is given, or in another place.
_ABOUT_NUMBERS = {
    "$ref",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maximum",
    "minimum",
    "multipleOf",
}


def compiled(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator of `schema`, formats included."""
    return Draft202012Validator(dict(schema), validate_formats=True)


def limits_numbers(schema: Any) -> bool:
    """Whether `schema` restricts any number: to integers, or in size."""
    if isinstance(schema, list):
        return any(map(limits_numbers, schema))
    if not isinstance(schema, Mapping):
        return False
    kinds = schema.get("type", ())
    named = {kinds} if isinstance(kinds, str) else {*kinds}
    if named & {"integer", "number"} or _ABOUT_NUMBERS & schema.keys():
        return True
    return any(map(limits_numbers, schema.values()))


def reasons(validator: Draft202012Validator, value: Any, field: str = "") -> dict[str, str]:
    """Why `value` is refused: field path -> reason, at most MAX_REASONS; empty if it is valid.

    A value is never repeated, since it may be a secret. `field` is put before each path.
    """
    if validator.is_valid(value):
        return {}
    found: dict[str, str] = {}
    for error in validator.iter_errors(value):
        for path, reason in _explained(error):
            name = ".".join(str(part) for part in ([field] if field else []) + path)
            found.setdefault(name[:_MAX_FIELD] or WHOLE_BODY, reason)
        if len(found) >= MAX_REASONS:
            break
    return dict(list(found.items())[:MAX_REASONS])


def _explained(error: ValidationError) -> Iterable[tuple[list[str | int], str]]:
    kind, path = error.kind.name, list(error.instance_path)
    detail = error.kind.as_dict()
    if kind == "required":
        return [([*path, detail["property"]], "is required")]
    if kind in ("additionalProperties", "unevaluatedProperties"):
        named = [name for name in detail["unexpected"] if _NAME.fullmatch(name)]
        return [([*path, name], "is not known") for name in named] or [
            (path, "has fields that are not known")
        ]
    if kind in ("anyOf", "oneOf"):
        return [(path, _alternatives(detail["context"]))]
    return [(path, _REASONS.get(kind, _other)(detail))]


def _alternatives(branches: Iterable[Iterable[ValidationError]]) -> str:
    """`anyOf` of `required`s is worded as a choice of fields, any other in general terms."""
    names = [
        error.kind.as_dict()["property"]
        for branch in branches
        for error in branch
        if error.kind.name == "required"
    ]
    return f"needs {' or '.join(dict.fromkeys(names))}" if names else "has no allowed form"


def _other(_: Mapping[str, Any]) -> str:
    return "is not what the contract allows"


_REASONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "type": lambda detail: f"must be of type {' or '.join(detail['types'])}",
    "enum": lambda detail: f"must be one of {', '.join(map(str, detail['options']))}",
    "const": lambda detail: f"must be {detail['expected_value']}",
    "format": lambda detail: f"is not a valid {detail['format']}",
    "pattern": lambda detail: f"must match {detail['pattern']}",
    "minLength": lambda detail: f"must have at least {detail['limit']} characters",
    "maxLength": lambda detail: f"must have at most {detail['limit']} characters",
    "minItems": lambda detail: f"must have at least {detail['limit']} items",
    "maxItems": lambda detail: f"must have at most {detail['limit']} items",
    "uniqueItems": lambda detail: "must not repeat an item",
    "minimum": lambda detail: f"must be at least {detail['limit']}",
    "maximum": lambda detail: f"must be at most {detail['limit']}",
    "exclusiveMinimum": lambda detail: f"must be more than {detail['limit']}",
    "exclusiveMaximum": lambda detail: f"must be less than {detail['limit']}",
    "multipleOf": lambda detail: f"must be a multiple of {detail['multiple_of']}",
    "minProperties": lambda detail: f"must have at least {detail['limit']} fields",
    "maxProperties": lambda detail: f"must have at most {detail['limit']} fields",
}
