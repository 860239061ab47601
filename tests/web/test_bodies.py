"""JSON bodies: what PostgreSQL can keep and a float can hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from starlette.types import Message, Receive

from errors import ApiError
from spec.operations import JSON, operations_of
from web import bodies
from web.inputs import Inputs

AMOUNT = {"type": "number", "minimum": 1, "maximum": 100_000, "multipleOf": 0.01}


def reader(schema: dict[str, Any]) -> bodies.JsonBody:
    """What reads the bodies of an operation that takes `schema`."""
    described = {
        "operationId": "pay",
        "tags": ["Payments"],
        "requestBody": {"required": True, "content": {JSON: {"schema": schema}}},
    }
    (operation,) = operations_of({"paths": {"/": {"post": described}}})
    return bodies.JsonBody(operation)


BODY = reader({"type": "object", "properties": {"amount": AMOUNT}, "required": ["amount"]})


def validated(raw: bytes, body: bodies.JsonBody = BODY) -> Any:
    """What the function would get."""

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    inputs = Inputs({})
    asyncio.run(body.read(receive, {"headers": []}, inputs))
    assert inputs.raw_body == raw
    return inputs.arguments["body"]


@pytest.mark.parametrize(
    "number", ["1", "19.99", "0.07e3", "1E2", "100000", "99999.99", "50.0000000000000000000"]
)
def test_an_amount_that_is_exact_is_taken(number: str) -> None:
    taken = validated(b'{"amount":%s}' % number.encode())["amount"]
    assert Decimal(str(taken)) == Decimal(number)


@pytest.mark.parametrize(
    "number",
    ["100.001", "100.00000000000000001", "100000.0000000000000001", "0.99999999999999999999"],
)
def test_an_amount_that_a_float_would_round_into_range_is_refused(number: str) -> None:
    with pytest.raises(ApiError) as caught:
        validated(b'{"amount":%s}' % number.encode())
    assert caught.value.details is not None
    assert caught.value.details.keys() == {"amount"}


def test_numbers_the_contract_does_not_know_may_be_long() -> None:
    assert validated(b'{"amount":5,"other":36893488147419103232}')["amount"] == 5
    with pytest.raises(ApiError, match="bad_request"):
        validated(b'{"amount":5,"other":0.%s}' % (b"1" * 1000))


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"type": "object"}, False),
        ({"type": "object", "properties": {"id": {"type": "string"}}}, False),
        ({"properties": {"amount": {"maximum": 100}}}, True),
        ({"properties": {"amount": {"type": ["integer", "null"]}}}, True),
        ({"anyOf": [{"properties": {"amount": {"type": "integer"}}}]}, True),
    ],
)
def test_digits_are_looked_at_wherever_a_schema_limits_numbers(
    schema: dict[str, Any], refused: bool
) -> None:
    body = reader(schema)
    raw = b'{"amount":100.00000000000000001,"id":"1234567890123456789"}'
    if refused:
        with pytest.raises(ApiError, match="bad_request"):
            validated(raw, body)
    else:
        assert validated(raw, body)["amount"] == 100


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_has_a_limit(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    for depth, refused in ((bodies.MAX_DEPTH, False), (bodies.MAX_DEPTH + 1, True)):
        raw = opening * depth + b"1" + closing * depth
        if refused:
            with pytest.raises(ApiError, match="bad_request"):
                bodies.parsed(raw)
        else:
            bodies.parsed(raw)


def test_many_brackets_side_by_side_are_not_depth() -> None:
    assert len(bodies.parsed(b"[" + b"[],{}," * 5000 + b"1]")) == 10_001


def test_a_body_in_pieces_is_put_together() -> None:
    assert read([b'{"a"', b":", b"", b"1}"], limit=100) == b'{"a":1}'


def test_reading_stops_at_the_limit() -> None:
    taken: list[bytes] = []
    with pytest.raises(ApiError, match="payload_too_large"):
        read([b"x" * 10] * 1000, limit=95, taken=taken)
    assert len(taken) == 10


def test_a_client_that_leaves_half_way_is_refused() -> None:
    with pytest.raises(ApiError, match="bad_request"):
        read([b"abc", None], limit=100)


def test_a_client_that_is_too_slow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def stalled() -> None:
        sent = iter([{"type": "http.request", "body": b"a", "more_body": True}])

        async def receive() -> Message:
            for message in sent:
                return message
            await asyncio.sleep(10)
            raise AssertionError

        await bodies.read(receive, 100, {"headers": []})

    with pytest.raises(ApiError) as caught:
        asyncio.run(stalled())
    assert caught.value.details == {"body": "did not arrive within 0.05 seconds"}


def read(pieces: Iterable[bytes | None], limit: int, taken: list[bytes] | None = None) -> bytes:
    """Read a body that comes in `pieces`; None stands for a disconnect."""

    def receiving() -> Receive:
        waiting = list(pieces)

        async def receive() -> Message:
            piece = waiting.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            if taken is not None:
                taken.append(piece)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

        return receive

    return asyncio.run(bodies.read(receiving(), limit, {"headers": []}))
