"""Request bodies: read up to a limit, parsed strictly, validated, passed to the function once."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, MutableMapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope

from errors import ApiError
from spec.schemas import compiled, limits_numbers, reasons

JSON_LIMIT = 1024 * 1024  # bytes
UNAUTHENTICATED_JSON_LIMIT = 256 * 1024  # bytes; webhooks are read before the sender is known
MAX_DEPTH = 64
MAX_NUMBER_LENGTH = 400
BODY_SECONDS = 30
# A client that is still sending when it is refused sees a reset instead of the response, so a body
# that is too large is read on and discarded, up to this many bytes.
DRAIN_BYTES = 32 * 1024 * 1024
DRAIN_SECONDS = 5

ARGUMENTS = "arguments"
RAW = "raw_body"

# Only these need a closer look: a float or a 64-bit integer holds everything shorter exactly.
# The search itself takes long, as providers' webhooks are full of numbers.
_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15}")


class JsonBody:
    """A JSON body of one operation, built once; used in connexion's validator_map."""

    def __init__(
        self,
        *,
        schema: Mapping[str, Any],
        required: bool = False,
        limit: int = JSON_LIMIT,
        **_: Any,
    ) -> None:
        self._validator = compiled(schema)
        self._limits_numbers = limits_numbers(schema)
        self._required = required
        self._limit = limit

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Read and validate; the parsed body goes to `arguments`, the bytes to `raw_body`."""
        raw = await read(receive, self._limit, scope)
        value = self._parsed(raw)
        context = scope["extensions"]["connexion_context"]
        context[ARGUMENTS]["body"] = value
        context[RAW] = raw
        return replay(raw, receive), scope

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
    await require_length(receive, scope, limit)
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


async def require_length(receive: Receive, scope: Scope, limit: int) -> None:
    """ApiError `payload_too_large` at once when the declared body is over `limit` bytes."""
    if declared_length(scope) <= limit:
        return
    if not _expects_continue(scope):
        await discard(receive, DRAIN_BYTES)
    raise too_large(limit)


def too_large(limit: int) -> ApiError:
    """The refusal of a body or file of more than `limit` bytes."""
    return ApiError("payload_too_large", details={"maxBytes": limit})


class Incoming:
    """A `receive` that knows when the body has ended: another call would wait for a disconnect."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def __call__(self) -> Message:
        message = await self._receive()
        self._more = message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Discard a bounded part of what is still coming."""
        if self._more:
            await discard(self._receive, DRAIN_BYTES)


async def discard(receive: Receive, limit: int) -> int:
    """Read and discard up to `limit` bytes for up to DRAIN_SECONDS; returns how many there were."""
    size = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while size <= limit:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        pass  # draining is best effort
    return size


def declared_length(scope: Scope) -> int:
    """Content-Length in bytes, 0 if the body is chunked or absent; the server has validated it."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def replay(raw: bytes, receive: Receive) -> Receive:
    """A `receive` that returns `raw` again, then whatever comes next."""
    pending: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def replayed() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replayed


async def _rest(message: Message, receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise refused("was not sent whole")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            chunks.clear()
            if message.get("more_body"):
                await discard(receive, DRAIN_BYTES)
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def _expects_continue(scope: Scope) -> bool:
    """Whether the client waits for permission: then it has sent nothing to drain."""
    return any(name == b"expect" for name, _ in scope["headers"])


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
