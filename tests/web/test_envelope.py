"""What every request has: an id, one log line, safe headers."""

from __future__ import annotations

import json
import socket

import pytest

from spec import CONTRACT
from tests.stubs import BEHAVIOURS, SLOW_USER
from tests.wire import KEY, Server, compose

USER = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
FIELDS = {
    "level",
    "logger",
    "message",
    "time",
    "request_id",
    "method",
    "path",
    "operation",
    "status",
    "code",
    "ms",
    "bytes_in",
    "bytes_out",
    "key",
}


def test_the_callers_request_id_is_used_everywhere(server: Server) -> None:
    for path, status in (("/api/v1/tariffs", 200), ("/nope", 404), ("/api/v1/docs", 200)):
        answer = server.get(path, X_Request_ID=f"from.the-bot_{status}{len(path)}")
        assert answer.status == status
        assert answer.headers["X-Request-ID"] == f"from.the-bot_{status}{len(path)}"
        assert server.access(f"from.the-bot_{status}{len(path)}")["status"] == status


@pytest.mark.parametrize(
    "given", ["a" * 129, "with space", 'quote"', "юникод", "semi;colon", "<script>"]
)
def test_a_request_id_that_could_do_harm_is_replaced(server: Server, given: str) -> None:
    answer = server.request("GET", "/api/v1/tariffs", b"", {"X-Request-ID": given.encode()})
    made = answer.headers["X-Request-ID"]
    assert len(made) == 32
    assert int(made, 16)


def test_one_line_tells_what_happened(server: Server) -> None:
    body = json.dumps({"telegramId": "77"}).encode()
    answer = server.post_json("/api/api/v1/users/register-or-login", body)
    line = server.access(answer.headers["X-Request-ID"])
    assert line.keys() == FIELDS
    assert line["method"] == "POST"
    assert line["path"] == "/api/v1/users/register-or-login"
    assert line["operation"] == "usersRegisterOrLogin"
    assert line["status"] == 200
    assert line["code"] is None
    assert line["bytes_in"] == len(body)
    assert line["bytes_out"] == len(answer.body)
    assert 0 < line["ms"] < 5000


def test_a_refusal_is_logged_with_its_code(server: Server) -> None:
    answer = server.get(f"/api/v1/jobs/{'x' * 30}")
    line = server.access(answer.headers["X-Request-ID"])
    assert (line["status"], line["code"]) == (400, "bad_request")


def test_nothing_private_is_logged(server: Server) -> None:
    marks = ["Babushkina", "refcode-mark", "query-mark", "path-mark", "idem-mark", "name-mark"]
    server.post_json(
        "/api/v1/users/register-or-login",
        {"telegramId": "1", "username": marks[0], "refCode": marks[1], marks[5]: 1},
        Idempotency_Key=marks[4],
    )
    server.get(f"/api/v1/jobs?userId={USER}&cursor={marks[2]}")
    server.get(f"/api/v1/users/{marks[3]}")
    server.get(f"/{marks[3]}")
    last = server.request(marks[3].upper(), f"/api/v1/users/{USER}", key="wrong-key-mark")
    server.access(last.headers["X-Request-ID"])
    text = server.log.read_text("utf-8").lower()
    for mark in [*marks, KEY, USER, "wrong-key-mark"]:
        assert mark.lower() not in text


def test_an_unknown_path_is_not_logged_as_it_was_sent(server: Server) -> None:
    answer = server.get("/secret/path")
    line = server.access(answer.headers["X-Request-ID"])
    assert line["path"] is None
    assert line["operation"] is None


@pytest.mark.parametrize(
    "path",
    ["/api/v1/tariffs", "/nope", f"/api/v1/users/{next(iter(BEHAVIOURS))}", "/api/v1/users/x"],
)
def test_every_answer_of_the_api_has_safe_headers(server: Server, path: str) -> None:
    headers = server.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Access-Control-Allow-Origin"] is None


def test_a_client_that_leaves_is_logged_and_forgotten(server: Server) -> None:
    gate, begun = server.state_dir / "gate", server.state_dir / "begun"
    for file in (gate, begun):
        file.unlink(missing_ok=True)
    request = compose("GET", f"/api/v1/users/{SLOW_USER}", b"", {"X-Request-ID": "left-early"})
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request)
        server.wait_for_slow_request()
    try:
        # gunicorn gives the application three seconds after a disconnect, then cancels.
        assert server.access("left-early")["status"] == 499
    finally:
        gate.touch()
    assert server.get("/api/v1/tariffs").status == 200


def test_keep_alive_serves_many_requests_on_one_connection(server: Server) -> None:
    request = compose("GET", "/api/v1/tariffs", b"", {"Connection": "keep-alive"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        received = b""
        connection.sendall(request * 3)  # pipelined
        while received.count(b"HTTP/1.1 200") < 3:
            chunk = connection.recv(65536)
            assert chunk
            received += chunk


def test_a_websocket_is_refused(server: Server) -> None:
    answer = server.request(
        "GET",
        "/api/v1/tariffs",
        b"",
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status == 403


def test_the_contract_promises_the_request_id() -> None:
    assert "X-Request-ID" in CONTRACT["components"]["headers"]
