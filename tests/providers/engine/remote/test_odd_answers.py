"""Answers of the right shape with values that nobody should act on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from providers.engine.remote import (
    Absent,
    Accepted,
    Failed,
    NotAccepted,
    NotSent,
    Order,
    Price,
    Run,
    Succeeded,
    Unclear,
)
from providers.engine.remote.recipes import check
from providers.http import Patience
from tests.providers.engine.remote.conftest import engine, recipe, utc
from tests.scripted_api import Answer, Api, answer

ONCE = Patience(connect_seconds=1, read_seconds=2, total_seconds=3, tries=1)
PHOTO = "https://files.test/photo.jpg"
LISTED = ("replicate", "fal", "polza")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.server.shutdown()
    api.server.server_close()


def dated(body: Any, ahead: timedelta) -> Answer:
    """An answer of a server whose clock is ahead of ours."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Date", format_datetime(utc() + ahead))
        handler.end_headers()
        handler.wfile.write(json.dumps(body).encode())

    return give


def look(api: Api, name: str, given: Answer) -> Any:
    """What is found in this list."""
    api.script = [given]
    order = Order(uuid4(), recipe(name), PHOTO)
    return engine(name, api.url, patience=ONCE).find(order, sent_at=utc(), known_ids=frozenset())


EMPTY = {"results": [], "items": [], "has_more": False}


@pytest.mark.parametrize("name", LISTED)
def test_a_list_proves_nothing_when_the_clocks_differ(api: Api, name: str) -> None:
    assert look(api, name, dated(EMPTY, timedelta(seconds=3))) == Absent()
    for ahead in (timedelta(minutes=9), timedelta(minutes=-9)):
        found = look(api, name, dated(EMPTY, ahead))
        assert isinstance(found, Unclear) and found.problem.code == "clocks_differ"


@pytest.mark.parametrize("name", LISTED)
def test_a_list_as_deep_as_a_well_proves_nothing(api: Api, name: str) -> None:
    deep: Any = PHOTO
    for _ in range(700):
        deep = [deep]
    item = {"id": "a", "request_id": "a", "input": deep, "json_input": deep, "createdAt": deep}
    found = look(api, name, answer(200, {"results": [item], "items": [item]}))
    assert isinstance(found, Unclear)


def test_polza_is_asked_for_whole_days_and_not_believed_without_a_time_zone(api: Api) -> None:
    item = {"id": "a", "model": "kling/v2.5-turbo", "createdAt": utc().isoformat()}
    assert look(api, "polza", answer(200, {"items": [item]})) == Accepted("a")
    naive = item | {"createdAt": utc().replace(tzinfo=None).isoformat()}
    assert isinstance(look(api, "polza", answer(200, {"items": [naive]})), Unclear)


BAD_ADDRESSES = ["https://a.test/\0", "https://a.test/\ud800", "https://a.test/" + "x" * 10_000]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_no_row_can_keep_is_none(api: Api, address: str) -> None:
    api.script = [answer(200, {"status": "succeeded", "output": address})]
    seen = engine("replicate", api.url, patience=ONCE).poll(Run(recipe("replicate"), "a"))
    assert isinstance(seen, Failed) and seen.problem.code == "no_output"
    api.script = [answer(200, {"urls": {"get": address}})]
    uploaded = engine("replicate", api.url, patience=ONCE).upload(uuid4(), Path(__file__))
    assert isinstance(uploaded, NotSent)


@pytest.mark.parametrize("wait", [10**9, 10**400, -5], ids=["long", "endless", "past"])
def test_nobody_is_silent_for_more_than_an_hour(api: Api, wait: int) -> None:
    for given in (
        answer(429, {"detail": "Request was throttled.", "retry_after": wait}),
        answer(429, {"detail": "Request was throttled."}, Retry_After=str(wait)),
    ):
        api.script = [given]
        created = engine("replicate", api.url, patience=ONCE).create(
            Order(uuid4(), recipe("replicate"), PHOTO), Path(__file__)
        )
        assert isinstance(created, NotAccepted)
        assert 0 <= (created.problem.retry_after or 0) <= 3600


def test_a_measure_beyond_all_bills_is_none(api: Api) -> None:
    per_second = recipe("replicate", price=Price(Decimal("0.5"), "USD", "gpu_second", Decimal(4)))
    for seconds, cost in ((10, 5), (10**9, 2), (-1, 2), ("x", 2)):
        body = {"status": "succeeded", "output": "https://a.test/b"}
        api.script = [answer(200, body | {"metrics": {"predict_time": seconds}})]
        seen = engine("replicate", api.url, patience=ONCE).poll(Run(per_second, "a"))
        assert isinstance(seen, Succeeded) and seen.cost is not None
        assert seen.cost.amount == cost


def test_a_recipe_that_would_only_cost_money_is_refused() -> None:
    check(recipe("replicate"))
    check(recipe("comfyui"))
    photo = {"image": "{photo}"}
    for changes in (
        {"model": " / "},
        {"version": "v1.4"},
        {"extra": ["a"]},
        {"output": 9},
        {"template": [photo]},
        {"template": photo | {"text": "a {wish} of mine"}},
        {"template": photo | {"driving_video": "{driving_video}"}},
        {"price": Price(Decimal(-1), "USD")},
        {"price": Price(Decimal("NaN"), "USD")},
        {"price": Price(Decimal(1), "USD", expected=Decimal("1e9"))},
        {"price": Price(Decimal(1), "USD", measure="hour")},  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=r"\w"):
            check(recipe("replicate", **changes))
