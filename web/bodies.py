"""Request bodies: read up to a limit; JSON is parsed strictly, validated, passed on once."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope

from errors import ApiError
from spec.operations import JSON, Operation
from spec.schemas import compiled, limits_numbers, reasons
from web.inputs import Inputs

JSON_LIMIT = 1024 * 1024  # bytes
UNAUTHENTICATED_JSON_LIMIT = 256 * 1024  # bytes; webhooks are read before the sender is known
MAX_DEPTH = 64
MAX_NUMBER_LENGTH = 400
BODY_SECONDS = 30

# Only these need a closer look: a float or a 64-bit integer holds everything shorter exactly.
# The search itself takes long, as providers' webhooks are full of numbers.
_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15}")


class JsonBody:
    """Reads the JSON bodies of one operation; built once."""

    def __init__(self, operation: Operation) -> None:
        schema = operation.bodies[JSON]
        self._validator = compiled(schema)
        self._limits_numbers = limits_numbers(schema)
        self._required = operation.requires_body
        self._limit = JSON_LIMIT if operation.secured else UNAUTHENTICATED_JSON_LIMIT

    async def read(self, receive: Receive, scope: Scope, inputs: Inputs) -> None:
        """The parsed body becomes an argument, its bytes `raw_body`; ApiError if it is refused."""
        inputs.raw_body = await read(receive, self._limit, scope)
        inputs.arguments["body"] = self._parsed(inputs.raw_body)

    def _parsed(self, raw: bytes) -> Any:
        if not raw.strip():
            if self._required:
                raise refused("is required")
            return None
        value = parsed(raw)
        found = reasons(self._validator, value)
        if not found and self._limits_numbers and _LONG_NUMBER.search(raw):
            found = reasons(self._validator, _exact(raw))
        if found:
            raise ApiError("bad_request", "The body does not match the contract", details=found)
        return value


def parsed(raw: bytes) -> Any:
    """JSON that PostgreSQL can store, or ApiError `bad_request`; numbers as float or integer.

    orjson already refuses NaN, 1e400, lone surrogates, invalid UTF-8 and a byte order mark.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise refused(f"is not JSON: byte {error.pos}") from error
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise refused(f"is nested deeper than {MAX_DEPTH} levels")
    if b"\\u0000" in raw and _has_nul(value):
        raise refused("must not contain NUL")
    return value


def refused(reason: str) -> ApiError:
    """ApiError `bad_request` about the body as a whole."""
    return ApiError("bad_request", details={"body": reason})


async def read(receive: Receive, limit: int, scope: Scope) -> bytes:
    """The whole body, at most `limit` bytes, otherwise ApiError `payload_too_large`.

    A body not received within BODY_SECONDS is refused, so that slow senders cannot pile up.
    """
    require_length(scope, limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) <= limit:
            return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(message, receive, limit)
    except TimeoutError as error:
        raise refused(f"did not arrive within {BODY_SECONDS} seconds") from error


def require_length(scope: Scope, limit: int) -> None:
    """ApiError `payload_too_large` at once when the declared body is over `limit` bytes."""
    if declared_length(scope) > limit:
        raise too_large(limit)


def too_large(limit: int) -> ApiError:
    """The refusal of a body or file of more than `limit` bytes."""
    return ApiError("payload_too_large", details={"maxBytes": limit})


def declared_length(scope: Scope) -> int:
    """Content-Length in bytes, 0 if the body is chunked or absent; the server has validated it."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


async def _rest(message: Message, receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise refused("was not sent whole")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            chunks.clear()  # else the traceback holds them while the rest is discarded
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def _depth(value: Any) -> int:
    """Levels of lists and objects; a loop, since Python's recursion is limited too."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(child) for key, child in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def _exact(raw: bytes) -> Any:
    """The same JSON with every digit: a float rounds 100.00000000000000001 to 100.

    Only for checking against the schema. What passes its limits is then exact as a float too;
    numbers the contract does not limit may be rounded, as is always possible in JSON.
    """
    return json.loads(raw, parse_float=_decimal, parse_int=_integer)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        raise refused(f"has a number of more than {MAX_NUMBER_LENGTH} characters")
    try:
        return Decimal(text)
    except InvalidOperation as error:  # an exponent with too many digits
        raise refused("has a number that is out of range") from error


def _integer(text: str) -> int:
    return int(_decimal(text))
