"""Connections that carry many requests: a refusal of one must not lose the next."""

from __future__ import annotations

import http.client
import socket
import time

from tests.wire import IN_TIME_SECONDS, Server, compose

BODY = b'{"telegramId": "1"}'
PATH = "/api/v1/users/register-or-login"
JSON = {"Content-Type": "application/json", "Connection": "keep-alive"}


def answer(connection: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response


def test_a_refusal_before_the_body_has_come_leaves_the_connection_usable(server: Server) -> None:
    """As with clients that send head and body separately: the refusal comes before the body."""
    refused = compose("POST", PATH, BODY, JSON, key="wrong")
    fine = compose("GET", "/api/v1/tariffs", b"", {"Connection": "keep-alive"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for _ in range(3):
            connection.sendall(refused.removesuffix(BODY))
            time.sleep(0.05)
            connection.sendall(BODY)
            response = answer(connection)
            assert (response.status, response.headers["Connection"]) == (401, None)
            connection.sendall(fine)
            assert answer(connection).status == 200


def test_a_body_that_does_not_come_is_waited_for_briefly_and_the_end_announced(
    server: Server,
) -> None:
    for head in (JSON, JSON | {"Expect": "100-continue"}):
        request = compose("POST", PATH, BODY, head, key="wrong").removesuffix(BODY)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            started = time.monotonic()
            connection.sendall(request)
            response = answer(connection)
            assert (response.status, response.headers["Connection"]) == (401, "close")
            assert time.monotonic() - started < IN_TIME_SECONDS
            assert connection.recv(1) == b""


def test_a_refused_body_without_end_is_not_read_to_its_end(server: Server) -> None:
    head = JSON | {"Content-Length": str(10**9)}
    request = compose("POST", PATH, b"", head, key="wrong")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request + b"x" * 1_500_000)
        response = answer(connection)
        assert (response.status, response.headers["Connection"]) == (401, "close")
