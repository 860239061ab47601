"""Path, query and header parameters: read strictly, validated, given Python names and types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from jsonschema_rs import Draft202012Validator

from errors import ApiError
from spec.operations import Parameter
from spec.schemas import MAX_REASONS, compiled, reasons

MAX_QUERY_FIELDS = 100
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
# Python's int() also accepts spaces, underscores and the digits of every script.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?", re.ASCII)


@dataclass(frozen=True)
class _Rule:
    name: str
    location: str
    argument: str
    header: bytes
    required: bool
    default: Any
    convert: Callable[[str], Any]
    validator: Draft202012Validator


class Parameters:
    """Parameters of one operation, built once."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._rules = tuple(_rule(each) for each in parameters)

    def validate(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by Python name, defaults filled in; ApiError `bad_request` names each fault."""
        query = _query(scope["query_string"]) if scope["query_string"] else {}
        arguments: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for rule in self._rules:
            try:
                arguments[rule.argument] = _read(rule, _given(rule, scope, query))
            except _RefusedError as refusal:
                refused[rule.name] = refusal.reason
        if refused:
            details = dict(list(refused.items())[:MAX_REASONS])
            raise ApiError(
                "bad_request", "A parameter does not match the contract", details=details
            )
        return arguments


class _RefusedError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _rule(parameter: Parameter) -> _Rule:
    name, location = parameter.name, parameter.location
    kind = parameter.schema.get("type", "string")
    if kind not in _CONVERTERS or location not in ("path", "query", "header"):
        raise NotImplementedError(f"parameter {name}: {kind} in {location}")
    return _Rule(
        name=name,
        location=location,
        argument=parameter.argument,
        header=name.lower().encode("ascii"),
        required=parameter.required,
        default=parameter.schema.get("default"),
        convert=_idempotency_key if name == "Idempotency-Key" else _CONVERTERS[kind],
        validator=compiled(parameter.schema),
    )


def _query(raw: bytes) -> dict[str, list[str]]:
    """Every field of a query string, decoded strictly.

    Fields the contract does not have are ignored, but must still be readable text.
    """
    values: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError as error:  # not UTF-8, or too many fields
        raise _bad_query() from error
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise _bad_query()
        values.setdefault(name, []).append(value)
    return values


def _bad_query() -> ApiError:
    reason = f"must be at most {MAX_QUERY_FIELDS} fields of UTF-8 text without NUL"
    return ApiError("bad_request", "The query string is malformed", details={"query": reason})


def _given(rule: _Rule, scope: Mapping[str, Any], query: Mapping[str, list[str]]) -> Sequence[str]:
    if rule.location == "query":
        return query.get(rule.name, ())
    if rule.location == "path":
        return (scope["path_params"][rule.name],)
    return [value.decode("latin-1") for name, value in scope["headers"] if name == rule.header]


def _read(rule: _Rule, given: Sequence[str]) -> Any:
    if not given:
        if rule.required:
            raise _RefusedError("is required")
        return rule.default
    if len(given) > 1:
        raise _RefusedError("is given more than once")
    if "\0" in given[0]:
        raise _RefusedError("must not contain NUL")
    value = rule.convert(given[0])
    for reason in reasons(rule.validator, value).values():
        raise _RefusedError(reason)
    return value


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _RefusedError("must be of type integer")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _RefusedError("must be of type number")
    return float(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise _RefusedError("must be true or false")
    return text == "true"


def _idempotency_key(text: str) -> str:
    """The key without one pair of quotes: the IETF draft sends it as a quoted string."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(text):
        raise _RefusedError("must be 1 to 255 visible ASCII characters")
    return text


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
