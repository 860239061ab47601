"""What the client sends again, how often, and what it never does twice."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from livephoto_client import (
    AsyncClient,
    Client,
    IdempotencyInProgress,
    LivePhotoError,
    RateLimited,
    Refusal,
    ServiceUnavailable,
    UnexpectedAnswer,
    Unreachable,
)
from livephoto_client.calls import Call, Patience

Reply = httpx.Response | Exception
TARIFFS: list[Any] = []


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "message": "why", "userMessage": "почему"}
    return httpx.Response(
        status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class Line:
    """A line to a backend with these replies, one for each request."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def client(self, **options: Any) -> Client:
        transport = httpx.Client(transport=httpx.MockTransport(self))
        return Client("http://backend", "key", http=transport, longest_pause=0, **options)


READ = httpx.ReadTimeout("silence")
CONNECT = httpx.ConnectError("nobody there")


@pytest.mark.parametrize(
    "trouble",
    [
        READ,
        CONNECT,
        refusal(429, "rate_limited", Retry_After="0"),
        refusal(503, "service_unavailable", Retry_After="0"),
        refusal(500, "internal_error"),
        refusal(409, "idempotency_in_progress", Retry_After="0"),
        httpx.Response(502, text="<html>the proxy"),
    ],
)
def test_what_passes_is_sent_again_with_the_same_key(trouble: Reply) -> None:
    line = Line(trouble, refusal(404, "user_not_found"))
    with pytest.raises(Refusal, match="user_not_found"):
        line.client().jobs_create(user_id="u", service_type="animate", input=[])
    keys = {request.headers["Idempotency-Key"] for request in line.requests}
    assert len(line.requests) == 2 and len(keys) == 1


def test_each_call_has_a_key_of_its_own_unless_it_is_given_one() -> None:
    line = Line(*(refusal(404, "user_not_found") for _ in range(3)))
    for key in (None, None, "mine"):
        with pytest.raises(Refusal):
            line.client().jobs_create(
                user_id="u", service_type="animate", input=[], idempotency_key=key
            )
    first, second, mine = (request.headers["Idempotency-Key"] for request in line.requests)
    assert len({first, second, mine}) == 3 and mine == "mine"


@pytest.mark.parametrize(
    ("replies", "requests"),
    [
        ([READ], 1),  # it may have arrived, and a second one would be a second file
        ([refusal(500, "internal_error")], 1),
        ([CONNECT, refusal(503, "storage_unavailable", Retry_After="0"), READ], 3),
    ],
)
def test_an_upload_is_sent_again_only_if_the_first_did_nothing(
    replies: list[Reply], requests: int
) -> None:
    line = Line(*replies)
    with pytest.raises(LivePhotoError):
        line.client().upload(b"photo")
    assert len(line.requests) == requests
    assert all(b"photo" in request.read() for request in line.requests)


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (READ, Unreachable),
        (refusal(429, "rate_limited", Retry_After="0"), RateLimited),
        (refusal(409, "idempotency_in_progress", Retry_After="0"), IdempotencyInProgress),
        (httpx.Response(502, text="<html>the proxy"), UnexpectedAnswer),
    ],
)
def test_it_gives_up_in_the_end(reply: Reply, raised: type[Exception]) -> None:
    line = Line(*[reply] * 9)
    with pytest.raises(raised):
        line.client(attempts=3).tariffs_list()
    assert len(line.requests) == 3


def test_a_pause_that_is_too_long_is_left_to_the_caller() -> None:
    line = Line(refusal(503, "service_unavailable", Retry_After="600"))
    with pytest.raises(ServiceUnavailable) as refused:
        line.client().tariffs_list()
    assert refused.value.retry_after == 600 and len(line.requests) == 1


def test_pauses_grow_to_their_limit_unless_the_backend_names_one() -> None:
    call: Call[None] = Call("GET", "/tariffs")
    patience = Patience(attempts=9, longest_pause=6)
    busy = refusal(503, "service_unavailable")
    assert [patience.after_refusal(call, n, busy) for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 6, 6]
    assert patience.after_silence(call, 2, httpx.ReadTimeout("")) == 2
    named = refusal(503, "service_unavailable", Retry_After="5")
    assert patience.after_refusal(call, 1, named) == 5


def test_an_unknown_code_and_unknown_fields_are_of_a_later_backend() -> None:
    line = Line(refusal(409, "invented_later"), httpx.Response(200, json=[{"id": 1}]))
    with pytest.raises(Refusal) as refused:
        line.client().tariffs_list()
    assert type(refused.value) is Refusal and refused.value.user_message == "почему"
    with pytest.raises(UnexpectedAnswer):
        line.client().tariffs_list()


def test_the_key_goes_to_the_backend_only() -> None:
    line = Line(httpx.Response(200, content=b"clip"))
    assert line.client().download("http://storage/clip?signature=1") == b"clip"
    assert "X-API-Key" not in line.requests[0].headers


def test_the_async_client_has_the_same_patience() -> None:
    line = Line(READ, refusal(429, "rate_limited", Retry_After="0"), httpx.Response(200, json=[]))

    async def story() -> None:
        transport = httpx.AsyncClient(transport=httpx.MockTransport(line))
        async with AsyncClient("http://backend", "key", http=transport, longest_pause=0) as client:
            assert await client.tariffs_list() == []

    asyncio.run(story())
    assert [str(request.url) for request in line.requests] == ["http://backend/api/v1/tariffs"] * 3
