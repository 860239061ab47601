"""JSON bodies: what PostgreSQL can keep and a float can hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive

from errors import ApiError
from spec import bodies


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1),
        (b"0.1", 0.1),
        (b"123456789012345", 123456789012345),
        (b"9007199254740993", 9007199254740993),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"1.0857142857142856", 1.0857142857142856),
        (b"100000.01", 100000.01),
        (b'"99999999999999999999"', "99999999999999999999"),
    ],
)
def test_a_number_that_is_kept_exactly_is_taken(raw: bytes, value: Any) -> None:
    assert bodies.parsed(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"18446744073709551616",
        b"-9223372036854775809",
        b"0.10000000000000000555",
        b"9007199254740993.0",
        b"100.00000000000000001",
        b'{"a":[1,{"b":36893488147419103232}]}',
        b"1" * 5000,
    ],
)
def test_a_number_that_would_change_is_refused(raw: bytes) -> None:
    with pytest.raises(ApiError, match="bad_request"):
        bodies.parsed(raw)


def test_a_webhook_may_send_numbers_as_it_likes() -> None:
    assert bodies.parsed(b"0.10000000000000000555", exact=False) == 0.1


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


def test_reading_stops_at_the_limit_and_the_rest_is_thrown_away() -> None:
    taken: list[bytes] = []
    with pytest.raises(ApiError, match="payload_too_large"):
        read([b"x" * 10] * 1000, limit=95, taken=taken)
    assert len(taken) == 1000


def test_the_rest_is_thrown_away_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DRAIN_BYTES", 500)
    taken: list[bytes] = []
    with pytest.raises(ApiError, match="payload_too_large"):
        read([b"x" * 10] * 1000, limit=95, taken=taken)
    assert len(taken) < 70


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
