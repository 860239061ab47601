"""Parameters: strict to read, typed for the function."""

from __future__ import annotations

from typing import Any

import pytest

from errors import ApiError
from spec.operations import Parameter
from web.parameters import Parameters

PARAMETERS = Parameters(
    [
        Parameter("catId", "path", True, {"type": "string"}),
        Parameter("limit", "query", False, {"type": "integer", "default": 200}),
        Parameter("weight", "query", False, {"type": "number"}),
        Parameter("asleep", "query", False, {"type": "boolean"}),
        Parameter("cursor", "query", False, {"type": "string"}),
        Parameter(
            "Idempotency-Key", "header", False, {"type": "string", "minLength": 1, "maxLength": 255}
        ),
    ]
)


def read(query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    scope = {"query_string": query, "path_params": {"catId": "tom"}, "headers": headers or []}
    return PARAMETERS.validate(scope)


def refusal(query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    with pytest.raises(ApiError) as caught:
        read(query, headers)
    assert caught.value.code == "bad_request"
    return caught.value.details


def test_what_is_left_out_gets_its_default() -> None:
    assert read() == {
        "cat_id": "tom",
        "limit": 200,
        "weight": None,
        "asleep": None,
        "cursor": None,
        "idempotency_key": None,
    }


def test_values_have_the_types_of_the_contract() -> None:
    read_values = read(b"limit=10&weight=4.25&asleep=true&cursor=a%20b+c")
    assert read_values["limit"] == 10
    assert read_values["weight"] == 4.25
    assert read_values["asleep"] is True
    assert read_values["cursor"] == "a b c"


@pytest.mark.parametrize(
    "query",
    [
        "limit=1_0",
        "limit=+1",
        "limit=%20 1",
        "limit=01",
        "limit=1.0",
        "limit=",
        "limit=٣",
        "limit=" + "9" * 19,
        "weight=nan",
        "weight=inf",
        "weight=1e5",
        "weight=.5",
        "weight=1_0",
        "asleep=True",
        "asleep=1",
        "asleep=",
    ],
)
def test_what_only_python_would_read_is_refused(query: str) -> None:
    name = query.split("=", 1)[0]
    assert refusal(query.encode("utf-8") if query.isascii() else b"limit=%D9%A3").keys() == {name}


@pytest.mark.parametrize(
    ("sent", "taken"),
    [(b"abc", "abc"), (b'"abc"', "abc"), (b'""abc""', '"abc"'), (b'"abc', '"abc'), (b'"', '"')],
)
def test_one_pair_of_quotes_is_taken_off_an_idempotency_key(sent: bytes, taken: str) -> None:
    assert read(headers=[(b"idempotency-key", sent)])["idempotency_key"] == taken


@pytest.mark.parametrize("sent", [b"", b'""', b"a b", b"a\tb", b"\xff", b"a" * 256, b"a\x7f"])
def test_a_bad_idempotency_key_is_refused(sent: bytes) -> None:
    assert refusal(headers=[(b"idempotency-key", sent)]).keys() == {"Idempotency-Key"}


def test_all_faults_are_told_together() -> None:
    assert refusal(b"limit=x&weight=y&asleep=z").keys() == {"limit", "weight", "asleep"}


def test_a_kind_of_parameter_nobody_reads_stops_the_start() -> None:
    for parameter in (
        Parameter("a", "cookie", False, {"type": "string"}),
        Parameter("a", "query", False, {"type": "array"}),
    ):
        with pytest.raises(NotImplementedError):
            Parameters([parameter])
