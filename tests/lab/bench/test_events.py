"""`make bench-events` tells refusals, repeats and disorder apart from what is as it should be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from db.types import now
from lab.bench.events.crowd import kind_of
from lab.bench.events.flow import faults
from lab.bench.events.receiver import receiving
from lab.bench.events.ways import Way
from providers.event_endpoint import Endpoint


def _event(id: str, sequence: int, user: str) -> dict[str, Any]:
    return {"id": id, "sequence": sequence, "user": {"id": user}}


def test_events_in_order_of_each_user_are_sound() -> None:
    bodies = [_event("b", 2, "Anna"), _event("a", 1, "Boris"), _event("c", 3, "Boris")]
    assert faults(bodies) == (0, 0)


def test_repeats_and_disorder_are_counted_apart() -> None:
    bodies = [_event("b", 2, "Anna"), _event("a", 1, "Anna"), _event("b", 2, "Anna")]
    assert faults(bodies) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "200 without news"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"progress":0,"id":"a"}', "200 without news"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"progress":1,"id":"a"}', "200"),
        (b'HTTP/1.1 200 OK\r\n\r\n[{"id":"a"}]', "200"),
        (b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"code":"a"}', "503"),
        (b"", "no answer"),
    ],
)
def test_what_a_waiting_request_got_is_named(answer: bytes, kind: str) -> None:
    assert kind_of(answer) == kind


def test_a_way_is_judged_for_each_finished_order() -> None:
    way = Way("asks", requests=9, posts=2, learned_at={"one": 11.0, "two": 22.5})
    assert way.row({"one": 10.0, "two": 20.0}) == ["asks", "4.5", "1.0", "1.8", "2.5"]


def test_the_receiver_takes_what_is_really_posted() -> None:
    with receiving() as receiver:
        body = json.dumps({"data": {"id": "a", "text": "x" * 200_000}}).encode()
        delivery = Endpoint(receiver.url, ()).post("a", body, now=now())
        assert delivery.delivered
        [post] = receiver.posts
        assert post.event["id"] == "a"
