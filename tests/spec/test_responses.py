"""Answers against the contract."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from spec import responses
from spec.operations import operations_of
from spec.responses import ResponseMismatchError, ResponseValidators

CAT = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
ERROR = {"type": "object", "required": ["code"]}


def content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


CATS_GET = {
    "operationId": "catsGet",
    "tags": ["Cats"],
    "responses": {"200": content(CAT), "204": {}, "default": content(ERROR)},
}
OPERATIONS = operations_of({"paths": {"/cats": {"get": CATS_GET}}})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(*, strict: bool, clock: Clock | None = None) -> ResponseValidators:
    return ResponseValidators(OPERATIONS, strict=strict, clock=clock or Clock())


@pytest.mark.parametrize(
    ("status", "data"),
    [(200, {"name": "tom"}), (204, None), (404, {"code": "x"}), (500, {"code": "x"})],
)
def test_what_the_contract_allows_passes(status: int, data: Any) -> None:
    made(strict=True).require("catsGet", status, data)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (200, {}),
        (200, {"name": None}),
        (200, None),
        (200, {"name": datetime.now(UTC)}),
        (201, {"name": "tom"}),
        (302, {"code": "x"}),
        (404, {"message": "x"}),
    ],
)
def test_anything_else_fails_a_strict_server(status: int, data: Any) -> None:
    with pytest.raises(ResponseMismatchError, match="catsGet"):
        made(strict=True).require("catsGet", status, data)


def test_a_lenient_server_counts_all_and_logs_one_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    checked = made(strict=False, clock=clock)
    before = responses.mismatches["catsGet"]
    with caplog.at_level(logging.ERROR, logger="spec.responses"):
        for _ in range(5):
            checked.require("catsGet", 200, {"name": 1})
        assert len(caplog.records) == 1
        checked.require("catsGet", 200, {})
        assert len(caplog.records) == 2
        clock.now = 61
        checked.require("catsGet", 200, {"name": 1})
        assert len(caplog.records) == 3
    assert responses.mismatches["catsGet"] == before + 7


def test_a_report_names_the_field_and_never_the_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="spec.responses"):
        made(strict=False).require("catsGet", 200, {"name": ["secret-of-a-customer"]})
    assert caplog.records[0].__dict__["reasons"] == {"name": "must be of type string"}
    assert "secret-of-a-customer" not in str(caplog.records[0].__dict__)
