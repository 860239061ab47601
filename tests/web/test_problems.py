"""Invalid requests: each is refused with an Error of the contract, none is a 500."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from errors import CODES
from spec import CONTRACT
from tests.stubs import BEHAVIOURS, SECRET
from tests.wire import KEY, Answer, Server

JSON = {"Content-Type": "application/json"}
REGISTER = "/api/v1/users/register-or-login"
INTENTS = "/api/v1/payments/intents"
USER = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
OK = b'{"telegramId":"1"}'
WEBHOOK = "/api/v1/webhooks/payments/stripe"


def intent(amount: bytes, user: bytes = USER.encode()) -> bytes:
    return b'{"userId":"%s","amountRub":%s}' % (user, amount)


def post(body: bytes, headers: Mapping[str, str | bytes] = JSON, path: str = REGISTER) -> Any:
    return "POST", path, body, headers


def get(path: str | bytes, headers: Mapping[str, str | bytes] | None = None) -> Any:
    return "GET", path, b"", headers


# name: (request, status, what `details` must name); None as status stands for "accepted".
BODIES: dict[str, tuple[Any, int | None, str | None]] = {
    "good": (post(OK), None, None),
    "malformed": (post(b'{"telegramId":'), 400, "body"),
    "empty": (post(b""), 400, "body"),
    "blank": (post(b"  \n"), 400, "body"),
    "null": (post(b"null"), 400, "body"),
    "array": (post(b"[]"), 400, "body"),
    "string": (post(b'"x"'), 400, "body"),
    "missing field": (post(b"{}"), 400, "telegramId"),
    "wrong type": (post(b'{"telegramId":1}'), 400, "telegramId"),
    "null field": (post(b'{"telegramId":null}'), 400, "telegramId"),
    "unknown field": (post(b'{"telegramId":"1","zzz":1}'), None, None),
    "repeated name": (post(b'{"telegramId":"1","telegramId":2}'), 400, "telegramId"),
    "trailing comma": (post(b'{"telegramId":"1",}'), 400, "body"),
    "two documents": (post(OK + OK), 400, "body"),
    "byte order mark": (post(b"\xef\xbb\xbf" + OK), 400, "body"),
    "not UTF-8": (post(b'{"telegramId":"\xff\xfe"}'), 400, "body"),
    "UTF-16": (post('{"telegramId":"1"}'.encode("utf-16")), 400, "body"),
    "lone surrogate": (post(b'{"telegramId":"\\ud800"}'), 400, "body"),
    "lone surrogate in a name": (post(b'{"telegramId":"1","\\udfff":1}'), 400, "body"),
    "raw lone surrogate": (post(b'{"telegramId":"\xed\xa0\x80"}'), 400, "body"),
    "NUL": (post(b'{"telegramId":"a\\u0000b"}'), 400, "body"),
    "NUL in a name": (post(b'{"telegramId":"1","a\\u0000":1}'), 400, "body"),
    "NUL deep inside": (post(b'{"telegramId":"1","a":[{"b":"\\u0000"}]}'), 400, "body"),
    "escaped backslash before u0000": (
        post(b'{"telegramId":"1","username":"\\\\u0000"}'),
        None,
        None,
    ),
    "control character": (post(b'{"telegramId":"a\x01b"}'), 400, "body"),
    "nesting 100000": (post(b'{"telegramId":"1","x":%s}' % (b"[" * 100_000)), 400, "body"),
    "nesting 900": (
        post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 900, b"]" * 900)),
        400,
        "body",
    ),
    "nesting 65": (post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 64, b"]" * 64)), 400, "body"),
    "nesting 64": (post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 63, b"]" * 63)), None, None),
    "integer of 5000 digits": (post(b'{"telegramId":"1","x":%s}' % (b"9" * 5000)), 400, "body"),
    "unknown integer of 66 bits": (
        post(b'{"telegramId":"1","x":36893488147419103232}'),
        None,
        None,
    ),
    "fraction of 20 digits": (
        post(intent(b"100.00000000000000001"), path=INTENTS),
        400,
        "amountRub",
    ),
    "amount of 66 bits": (post(intent(b"36893488147419103232"), path=INTENTS), 400, "amountRub"),
    "NaN": (post(intent(b"NaN"), path=INTENTS), 400, "body"),
    "Infinity": (post(intent(b"Infinity"), path=INTENTS), 400, "body"),
    "-Infinity": (post(intent(b"-Infinity"), path=INTENTS), 400, "body"),
    "1e400": (post(intent(b"1e400"), path=INTENTS), 400, "body"),
    "exponent of 20 digits": (
        post(
            b'{"userId":"%s","amountRub":100,"x":1e-99999999999999999999}' % USER.encode(),
            path=INTENTS,
        ),
        400,
        "body",
    ),
    "leading zero": (post(intent(b"0100"), path=INTENTS), 400, "body"),
    "hexadecimal": (post(intent(b"0x64"), path=INTENTS), 400, "body"),
    "a boolean as number": (post(intent(b"true"), path=INTENTS), 400, "amountRub"),
    "a string as number": (post(intent(b'"100"'), path=INTENTS), 400, "amountRub"),
    "three decimals": (post(intent(b"100.001"), path=INTENTS), 400, "amountRub"),
    "negative amount": (post(intent(b"-100"), path=INTENTS), 400, "amountRub"),
    "amount in exponent form": (post(intent(b"1E2"), path=INTENTS), None, None),
    "not a uuid": (post(intent(b"100", b"nope"), path=INTENTS), 400, "userId"),
    "uuid in braces": (post(intent(b"100", b"{%s}" % USER.encode()), path=INTENTS), 400, "userId"),
    "uuid as urn": (
        post(intent(b"100", b"urn:uuid:" + USER.encode()), path=INTENTS),
        400,
        "userId",
    ),
    "uuid without dashes": (
        post(intent(b"100", USER.replace("-", "").encode()), path=INTENTS),
        400,
        "userId",
    ),
    "uuid in capitals": (post(intent(b"100", USER.upper().encode()), path=INTENTS), None, None),
    "webhook that is an array": (post(b"[]", path=WEBHOOK), 400, "body"),
    "webhook with a long number": (post(b'{"n":36893488147419103232}', path=WEBHOOK), None, None),
}

MEDIA_TYPES: dict[str, tuple[Any, int | None, str | None]] = {
    "capitals": (post(OK, {"Content-Type": "APPLICATION/JSON"}), None, None),
    "charset": (post(OK, {"Content-Type": 'application/json; charset="UTF-8"'}), None, None),
    "other parameter": (post(OK, {"Content-Type": "application/json; v=1"}), None, None),
    "missing": (post(OK, {}), 415, "Content-Type"),
    "text": (post(OK, {"Content-Type": "text/plain"}), 415, "Content-Type"),
    "garbage": (post(OK, {"Content-Type": ";;;"}), 415, "Content-Type"),
    "no slash": (post(OK, {"Content-Type": "json"}), 415, "Content-Type"),
    "not ASCII": (post(OK, {"Content-Type": b"application/json\xff"}), 415, "Content-Type"),
    "merge patch": (
        post(OK, {"Content-Type": "application/merge-patch+json"}),
        415,
        "Content-Type",
    ),
    "form": (
        post(b"telegramId=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        415,
        "Content-Type",
    ),
    "utf-16": (post(OK, {"Content-Type": "application/json; charset=utf-16"}), 415, "Content-Type"),
    "latin-1": (
        post(OK, {"Content-Type": "application/json; charset=latin-1"}),
        415,
        "Content-Type",
    ),
    "unknown charset": (
        post(OK, {"Content-Type": "application/json; charset=foo"}),
        415,
        "Content-Type",
    ),
    "gzip": (
        post(b"\x1f\x8b\x08\x00", {**JSON, "Content-Encoding": "gzip"}),
        415,
        "Content-Encoding",
    ),
    "identity": (post(OK, {**JSON, "Content-Encoding": "identity"}), None, None),
    "wants HTML": (post(OK, {**JSON, "Accept": "text/html"}), 406, None),
    "wants anything": (post(OK, {**JSON, "Accept": "text/html, */*;q=0.1"}), None, None),
    "multipart for a JSON operation": (
        post(OK, {"Content-Type": "multipart/form-data; boundary=x"}),
        415,
        "Content-Type",
    ),
    "JSON for a multipart operation": (post(OK, path="/api/v1/data"), 415, "Content-Type"),
}

PARAMETERS: dict[str, tuple[Any, int | None, str | None]] = {
    "path": (get(f"/api/v1/users/{USER}"), None, None),
    "path not a uuid": (get("/api/v1/users/nope"), 400, "userId"),
    "path NUL": (get("/api/v1/users/%00"), 400, "userId"),
    "path not UTF-8": (get("/api/v1/users/%ff"), 400, "userId"),
    "path digits of another script": (
        get("/api/v1/users/" + "%D9%A0" * 8 + "-4a7d-4f52-8f0b-6d1c2e3a4b5c"),
        400,
        "userId",
    ),
    "query": (get(f"/api/v1/jobs?userId={USER}"), None, None),
    "query missing": (get("/api/v1/jobs"), 400, "userId"),
    "query empty": (get("/api/v1/jobs?userId="), 400, "userId"),
    "query not a uuid": (get("/api/v1/jobs?userId=x"), 400, "userId"),
    "query null": (get("/api/v1/jobs?userId=null"), 400, "userId"),
    "query twice": (get(f"/api/v1/jobs?userId=x&userId={USER}"), 400, "userId"),
    "query unknown": (get(f"/api/v1/jobs?userId={USER}&zz=1"), None, None),
    "query unknown twice": (get(f"/api/v1/jobs?userId={USER}&zz=1&zz=2"), None, None),
    "query not UTF-8": (get("/api/v1/jobs?userId=%ff"), 400, "query"),
    "query name not UTF-8": (get(f"/api/v1/jobs?userId={USER}&%ff=1"), 400, "query"),
    "query NUL": (get("/api/v1/jobs?userId=%00"), 400, "query"),
    "query NUL elsewhere": (get(f"/api/v1/jobs?userId={USER}&zz=%00"), 400, "query"),
    "query of 200 fields": (get(f"/api/v1/jobs?userId={USER}" + "&a=1" * 200), 400, "query"),
    "limit": (get(f"/api/v1/jobs?userId={USER}&limit=10"), None, None),
    "limit 0": (get(f"/api/v1/jobs?userId={USER}&limit=0"), 400, "limit"),
    "limit too large": (get(f"/api/v1/jobs?userId={USER}&limit=1001"), 400, "limit"),
    "limit with a space": (get(f"/api/v1/jobs?userId={USER}&limit=%201"), 400, "limit"),
    "limit with a sign": (get(f"/api/v1/jobs?userId={USER}&limit=%2B1"), 400, "limit"),
    "limit with an underscore": (get(f"/api/v1/jobs?userId={USER}&limit=1_0"), 400, "limit"),
    "limit full-width": (get(f"/api/v1/jobs?userId={USER}&limit=%EF%BC%91"), 400, "limit"),
    "limit fraction": (get(f"/api/v1/jobs?userId={USER}&limit=1.0"), 400, "limit"),
    "limit nan": (get(f"/api/v1/jobs?userId={USER}&limit=nan"), 400, "limit"),
    "limit of 5000 digits": (get(f"/api/v1/jobs?userId={USER}&limit={'9' * 3000}"), 400, "limit"),
    "cursor not ASCII": (
        get(f"/api/v1/jobs?userId={USER}&cursor=%D0%B6"),
        400,
        "cursor",
    ),
    "idempotency key": (post(OK, {**JSON, "Idempotency-Key": "abc"}), None, None),
    "idempotency key of 255": (post(OK, {**JSON, "Idempotency-Key": "a" * 255}), None, None),
    "idempotency key of 256": (
        post(OK, {**JSON, "Idempotency-Key": "a" * 256}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key with a space": (
        post(OK, {**JSON, "Idempotency-Key": "a b"}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key not ASCII": (
        post(OK, {**JSON, "Idempotency-Key": "ж".encode()}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key empty quotes": (
        post(OK, {**JSON, "Idempotency-Key": '""'}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key twice": (
        post(OK, {**JSON, "Idempotency-Key": "a", "idempotency-key": "b"}),
        400,
        "Idempotency-Key",
    ),
    "webhook of an unknown provider": (
        post(b"{}", path="/api/v1/webhooks/payments/zz"),
        400,
        "provider",
    ),
}

PATHS: dict[str, tuple[Any, int | None, str | None]] = {
    "root": (get("/"), 404, None),
    "unknown": (get("/nope"), 404, None),
    "unknown under the API": (get("/api/v1/nope"), 404, None),
    "trailing slash": (get(f"/api/v1/users/{USER}/"), 404, None),
    "empty parameter": (get("/api/v1/users/"), 404, None),
    "double slash": (get("//api/v1/lotteries/current"), 404, None),
    "inner double slash": (get("/api/v1//lotteries/current"), 404, None),
    "encoded slash": (get("/api/v1/users/a%2Fb"), 404, None),
    "dots": (get("/api/v1/users/../tariffs"), 404, None),
    "three prefixes": (get("/api/api/api/v1/tariffs"), 404, None),
    "capitals": (get("/API/v1/tariffs"), 404, None),
    "DELETE": (("DELETE", REGISTER), 405, None),
    "GET on a literal path beside a template": (get(REGISTER), 405, None),
    "unknown method": (("BREW", "/api/v1/jobs"), 405, None),
    "OPTIONS": (("OPTIONS", "/api/v1/jobs"), 405, None),
    "TRACE": (("TRACE", "/api/v1/jobs"), 405, None),
    "HEAD of a POST": (("HEAD", REGISTER), 405, None),
    "PUT of a document": (("PUT", "/api/v1/openapi.json"), 405, None),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("body", BODIES),
        ("media type", MEDIA_TYPES),
        ("parameter", PARAMETERS),
        ("path", PATHS),
    )
    for name, case in cases.items()
}


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


# What gunicorn answers by itself, as the application never sees it.
NOT_HTTP = {
    "garbage": b"GARBAGE\r\n\r\n",
    "raw byte": b"GET /api/v1/users/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "long target": b"GET /api/v1/jobs?userId=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-Big: "
    + b"a" * 100_000
    + b"\r\n\r\n",
    "length": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "smuggling": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "two types": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_is_refused_by_the_server_itself(server: Server, name: str) -> None:
    assert server.raw(NOT_HTTP[name]).status in (400, 414, 431)


def test_a_broken_chunk_does_not_reach_the_handler(server: Server) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"
    assert server.raw(head % (REGISTER.encode(), KEY.encode())).status == 400


FAILURES = {
    0: (500, "internal_error"),  # RuntimeError
    1: (500, "internal_error"),  # ValueError
    2: (500, "internal_error"),  # StopIteration
    3: (503, "service_unavailable"),  # starlette
    4: (400, "bad_request"),  # connexion
    5: (404, "user_not_found"),
    6: (503, "storage_unavailable"),
    7: (500, "internal_error"),  # an answer that does not match
    8: (500, "internal_error"),  # an undeclared status
    9: (500, "internal_error"),  # an answer that is not JSON
    10: (500, "internal_error"),  # no answer
}


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
    lines = [line for line in server.lines() if line["message"] == "storage_unavailable"]
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
