"""Invalid requests: each is refused with an Error of the contract, none is a 500."""

from __future__ import annotations

import re
from typing import Any

import pytest

from errors import CODES
from spec import CONTRACT
from tests.stubs import BEHAVIOURS, SECRET
from tests.web.cases import (
    CASES,
    FAILURES,
    INTENTS,
    JSON,
    NOT_HTTP,
    OK,
    REGISTER,
    USER,
    WEBHOOK,
)
from tests.wire import KEY, Answer, Server


def error_of(answer: Answer) -> dict[str, Any]:
    """The answer's Error, having the contract's shape and a code of the closed table."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"]
    error: dict[str, Any] = answer.json
    assert error.keys() <= {"code", "message", "userMessage", "details"}
    assert CODES[error["code"]][0] == answer.status
    assert isinstance(error["message"], str)
    assert error["userMessage"] == CODES[error["code"]][2]
    return error


@pytest.mark.parametrize("name", CASES)
def test_a_request_gets_the_answer_it_deserves(server: Server, name: str) -> None:
    request, status, named = CASES[name]
    answer = server.request(*request)
    if status is None:
        assert answer.status in (200, 201), answer.body
        return
    assert answer.status == status, answer.body
    if request[0] != "HEAD":
        error = error_of(answer)
        assert named is None or named in error["details"]
        assert len(error.get("details", {})) <= 10


def test_a_refusal_never_repeats_what_was_sent(server: Server) -> None:
    secret = "s3cr3t-value"
    body = {"userId": secret, "amountRub": secret, "provider": secret, "plan": [secret]}
    for answer in (
        server.post_json(INTENTS, body),
        server.post_json(INTENTS, {**body, secret * 20: 1}),
        server.get(f"/api/v1/jobs?userId={secret}&limit={secret}"),
        server.get(f"/api/v1/users/{secret}"),
        server.post_json(REGISTER, {"telegramId": "1"}, Idempotency_Key=f"{secret} {secret}"),
        server.get(f"/{secret}"),
        server.request("GET", "/api/v1/tariffs", key=secret),
    ):
        assert answer.status >= 400
        assert secret.encode() not in answer.body


def test_at_most_ten_faults_are_named(server: Server) -> None:
    body = {"userId": USER, "serviceType": "animate", "input": [{"type": 1}] * 12}
    answer = server.post_json("/api/v1/jobs", body)
    assert answer.status == 400
    assert len(answer.json["details"]) == 10


def test_a_fault_deep_in_the_body_is_named_by_its_path(server: Server) -> None:
    body = {"userId": USER, "serviceType": "animate", "input": [{"type": "image", "dataId": "x"}]}
    answer = server.post_json("/api/v1/jobs", body)
    assert answer.json["details"] == {"input.0.dataId": "is not a valid uuid"}


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/v1/jobs", "GET, HEAD, POST"),
        (REGISTER, "POST"),
        (f"/api/v1/users/{USER}/consent", "PATCH"),
        (f"/api/api/v1/users/{USER}", "GET, HEAD"),
        ("/api/v1/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(server: Server, path: str, allow: str) -> None:
    answer = server.request("DELETE", path)
    assert answer.status == 405
    assert sorted(answer.headers["Allow"].split(", ")) == allow.split(", ")


def test_a_head_answer_is_the_get_answer_without_its_body(server: Server) -> None:
    path = f"/api/v1/users/{USER}"
    head, full = server.request("HEAD", path), server.get(path)
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == str(len(full.body))
    assert server.request("HEAD", path, key=None).status == 401


def test_a_chunked_body_is_taken(server: Server) -> None:
    answer = server.request("POST", REGISTER, OK, JSON, chunked=True)
    assert answer.status == 200
    assert answer.seen["body"] == {"telegramId": "1"}
    assert server.request("POST", REGISTER, b"", JSON, chunked=True).status == 400


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1024 * 1024 + 1, 20_000_000])
def test_a_body_that_is_too_large_is_refused_and_the_refusal_arrives(
    server: Server, size: int, chunked: bool
) -> None:
    body = b'{"telegramId":"' + b"a" * (size - 17) + b'"}'
    answer = server.request("POST", REGISTER, body, JSON, chunked=chunked)
    assert answer.status == 413
    assert error_of(answer)["details"] == {"maxBytes": 1024 * 1024}


def test_a_body_of_exactly_the_limit_is_read(server: Server) -> None:
    body = b'{"telegramId":"1","x":"' + b"a" * (1024 * 1024 - 25) + b'"}'
    assert len(body) == 1024 * 1024
    assert server.request("POST", REGISTER, body, JSON).status == 200


def test_a_webhook_body_has_a_smaller_limit(server: Server) -> None:
    body = b'{"x":"' + b"a" * (256 * 1024) + b'"}'
    answer = server.request("POST", WEBHOOK, body, JSON, key=None)
    assert answer.status == 413


def test_a_client_that_waits_for_permission_is_refused_before_it_sends(server: Server) -> None:
    request = b"POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n"
    request += b"Content-Length: 99999999\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    answer = server.raw(request % (REGISTER.encode(), KEY.encode()))
    assert answer.status == 413


def test_an_operation_without_a_body_ignores_a_small_one(server: Server) -> None:
    path = "/api/v1/jobs/5d2a7e90-1c34-4b8f-a6d7-93e0f1b2c4a8/cancel"
    assert server.request("POST", path, b"{}", JSON).status == 200
    assert server.request("POST", path, b"junk").status == 200
    assert server.request("POST", path, b"x" * 100_000).status == 413


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_is_refused_by_the_server_itself(server: Server, name: str) -> None:
    assert server.raw(NOT_HTTP[name]).status in (400, 414, 431)


def test_a_broken_chunk_does_not_reach_the_handler(server: Server) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"
    assert server.raw(head % (REGISTER.encode(), KEY.encode())).status == 400


@pytest.mark.parametrize("number", FAILURES)
def test_a_failing_handler_says_only_what_the_caller_may_know(server: Server, number: int) -> None:
    answer = server.get(f"/api/v1/users/{list(BEHAVIOURS)[number]}")
    assert (answer.status, error_of(answer)["code"]) == FAILURES[number]
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body


def test_a_bug_is_logged_with_its_traceback_and_request_id(server: Server) -> None:
    answer = server.get(f"/api/v1/users/{next(iter(BEHAVIOURS))}", X_Request_ID="find-this-bug")
    assert answer.headers["X-Request-ID"] == "find-this-bug"
    server.access("find-this-bug")
    bugs = [line for line in server.lines() if line.get("request_id") == "find-this-bug"]
    assert any("RuntimeError" in line.get("exc_info", "") for line in bugs)


def test_trouble_outside_is_logged_with_its_cause_and_a_traceback_once_a_minute(
    server: Server,
) -> None:
    path = f"/api/v1/users/{list(BEHAVIOURS)[6]}"
    for number in range(3):
        server.get(path, X_Request_ID=f"outage-{number}")
        server.access(f"outage-{number}")
    lines = [
        line for line in server.lines() if line["message"] == "request refused: storage_unavailable"
    ]
    assert {line["cause"] for line in lines} == {"OSError"}
    assert len(lines) >= 3
    # One for each process of the server at most, and none again for the next minute.
    assert sum("exc_info" in line for line in lines) <= 2


def test_headers_of_a_refusal_are_sent(server: Server) -> None:
    answer = server.get(f"/api/v1/users/{list(BEHAVIOURS)[6]}")
    assert answer.headers["Retry-After"] == "7"


def test_every_refusal_of_the_table_fits_the_contract() -> None:
    required = CONTRACT["components"]["schemas"]["Error"]["required"]
    assert required == ["code", "message", "userMessage"]
    for code, (status, *_) in CODES.items():
        assert 400 <= status < 600, code


def test_every_code_has_a_sentence_that_can_be_shown_as_it_is() -> None:
    for code, (_, _, shown) in CODES.items():
        assert re.fullmatch(r"[А-ЯЁT][^_{}<>`]*[а-яё]{3}[^_{}<>`]*\.", shown), code
        # Telegram's answer to a pressed button has 200 characters.
        assert len(shown) <= 200, code


def test_a_request_is_served_under_both_prefixes(server: Server) -> None:
    for prefix in ("/api/v1", "/api/api/v1"):
        answer = server.post_json(f"{prefix}/users/register-or-login", {"telegramId": "7"})
        assert answer.status == 200
        assert answer.seen["body"] == {"telegramId": "7"}
