"""Stripe's wire format: errors, and nested forms, parsed as strictly as by the real API."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Request, Response, jsonify

from local.sandbox.faults import Fault

WHOLE, FLAG, TEXT, URL, METADATA = "whole", "flag", "text", "url", "metadata"
# What a call may be sent: a nested dict of kinds; a list of one dict is a numbered list.
Fields = Mapping[str, Any]

_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"([a-z_]+)((?:\[[^\[\]]*\])*)", re.ASCII)
_TYPES = {401: "invalid_request_error", 402: "card_error", 500: "api_error", 503: "api_error"}
_MESSAGES = {
    403: "The provided key does not have the required permissions",
    409: "There is currently another in-progress request using this Idempotent Key",
    429: "Request rate limit exceeded",
    500: "An unknown error occurred",
}


class Refusal(Exception):
    """An error answer. stored: whether its idempotency key replays it."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        stored: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        error = {
            "type": kind or _TYPES.get(status, "invalid_request_error"),
            "message": message or _MESSAGES.get(status, "Something went wrong"),
        }
        optional = {"code": code, "param": param}
        self.body = {"error": error | {k: v for k, v in optional.items() if v is not None}}

    def response(self) -> Response:
        """The answer on the wire."""
        return json_response(self.status, self.body)


def json_response(status: int, body: Any) -> Response:
    """A JSON answer with the headers of every answer."""
    answer = jsonify(body)
    answer.status_code = status
    answer.headers["Request-Id"] = f"req_{secrets.token_hex(7)}"
    return answer


def fault_response(fault: Fault) -> Response:
    """The answer of a `status` fault."""
    code = {429: "rate_limit", 409: "idempotency_key_in_use"}.get(fault.status)
    answer = Refusal(fault.status, code=code).response()
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(round(fault.retry_after))
    return answer


def read_form(request: Request, fields: Fields) -> dict[str, Any]:
    """The nested, typed values of a form-encoded body or a query. Refusal for unknown fields."""
    if request.data and request.mimetype != "application/x-www-form-urlencoded":
        raise Refusal(
            400,
            "Invalid request (check that your POST content type is"
            " application/x-www-form-urlencoded)",
            stored=False,
        )
    values: dict[str, Any] = {}
    for source in (request.form, request.args):
        for name, found in source.lists():
            _put(values, _path(name), found)
    return _convert(values, fields, "")


def _path(name: str) -> list[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise Refusal(400, f"Invalid parameter name: {name}", param=name, stored=False)
    return [match[1], *_PART.findall(match[2])]


def _put(values: dict[str, Any], path: list[str], found: list[str]) -> None:
    """Put a[b][0]=1 at values["a"]["b"]["0"]; a[]=1 collects, anything else comes once."""
    *above, last = path
    if last == "":
        *above, last = above
        leaf: Any = found
    elif len(found) == 1:
        leaf = found[0]
    else:
        raise Refusal(400, f"Repeated parameter: {'.'.join(path)}", stored=False)
    here = values
    for step in above:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            raise Refusal(400, f"Invalid nesting at {step}", param=step, stored=False)
    here[last] = leaf


def _convert(values: Mapping[str, Any], fields: Fields, above: str) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in values.items():
        full = f"{above}[{name}]" if above else name
        if name not in fields:
            raise Refusal(
                400,
                f"Received unknown parameter: {full}",
                code="parameter_unknown",
                param=full,
                stored=False,
            )
        read[name] = _value(value, fields[name], full)
    return read


def _value(value: Any, kind: Any, name: str) -> Any:
    if kind == METADATA:
        return _metadata(value, name)
    if isinstance(kind, dict):
        return _convert(_nested(value, name), kind, name)
    if isinstance(kind, list):
        if kind[0] == TEXT:
            return value if isinstance(value, list) else list(_nested(value, name).values())
        rows = _nested(value, name)
        if sorted(rows) != [str(index) for index in range(len(rows))]:
            raise Refusal(400, f"Invalid array: {name}", param=name, stored=False)
        return [_convert(_nested(rows[i], name), kind[0], f"{name}[{i}]") for i in sorted(rows)]
    if not isinstance(value, str):
        raise Refusal(400, f"Invalid {kind}: {name}", param=name, stored=False)
    return _scalar(value, kind, name)


def _scalar(value: str, kind: str, name: str) -> Any:
    if kind == WHOLE:
        if not re.fullmatch(r"-?\d{1,15}", value, re.ASCII):
            raise Refusal(
                400,
                f"Invalid integer: {value}",
                code="parameter_invalid_integer",
                param=name,
                stored=False,
            )
        return int(value)
    if kind == FLAG:
        if value not in ("true", "false"):
            raise Refusal(400, f"Invalid boolean: {value}", param=name, stored=False)
        return value == "true"
    if value == "":
        raise Refusal(
            400,
            f"You passed an empty string for '{name}'",
            code="parameter_invalid_empty",
            param=name,
            stored=False,
        )
    if kind == URL and not value.startswith(("http://", "https://")):
        raise Refusal(400, "Not a valid URL", code="url_invalid", param=name, stored=False)
    return value


def _nested(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(400, f"Invalid object: {name}", param=name, stored=False)
    return value


def _metadata(value: Any, name: str) -> dict[str, str]:
    pairs = _nested(value, name)
    if len(pairs) > 50:
        raise Refusal(400, "Metadata can have up to 50 keys", param=name, stored=False)
    for key, text in pairs.items():
        if len(key) > 40 or not isinstance(text, str) or len(text) > 500:
            raise Refusal(400, "Metadata key or value is too long", param=name, stored=False)
    return dict(pairs)
