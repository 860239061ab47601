"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.security import accepted
from spec import CONTRACT
from tests import wire
from tests.wire import KEY, SECOND_KEY, Server

TARIFFS = "/api/v1/tariffs"


@pytest.mark.parametrize(("key", "number"), [(KEY, 0), (SECOND_KEY, 1)])
def test_each_configured_key_is_accepted(server: Server, key: str, number: int) -> None:
    answer = server.request("GET", TARIFFS, key=key)
    assert answer.status == 200
    assert server.access(answer.headers["X-Request-ID"])["key"] == number


STRANGERS = {
    "no key": b"",
    "empty": b"X-API-Key: \r\n",
    "wrong": b"X-API-Key: wrong\r\n",
    "cut short": b"X-API-Key: " + KEY.encode()[:-1] + b"\r\n",
    "longer": b"X-API-Key: " + KEY.encode() + b"x\r\n",
    "capitals": b"X-API-Key: " + KEY.upper().encode() + b"\r\n",
    "not UTF-8": b"X-API-Key: \xff\xfe\r\n",
    "wrong one first": b"X-API-Key: wrong\r\nX-API-Key: " + KEY.encode() + b"\r\n",
    "twice": b"X-API-Key: " + KEY.encode() + b"\r\nX-API-Key: " + KEY.encode() + b"\r\n",
    "bearer": b"Authorization: Bearer " + KEY.encode() + b"\r\n",
    "cookie": b"Cookie: X-API-Key=" + KEY.encode() + b"\r\n",
}


def presenting(header: bytes) -> bytes:
    """A request with this line for a key."""
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % TARIFFS.encode()
    return head + header + b"\r\n"


@pytest.mark.parametrize("name", STRANGERS)
def test_anything_else_is_refused(server: Server, name: str) -> None:
    answer = server.raw(presenting(STRANGERS[name]))
    assert answer.status == 401
    assert answer.json["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == 'ApiKey realm="Live Photo"'


def test_the_key_is_asked_for_before_the_request_is_judged(server: Server) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = server.request("POST", "/api/v1/jobs", b"junk", headers, key=None)
    assert answer.status == 401


def test_every_operation_but_those_the_contract_opens_needs_a_key(server: Server) -> None:
    opened = set()
    for path, item in CONTRACT["paths"].items():
        for method, operation in item.items():
            target = path.replace("{provider}", "stripe").replace("{", "").replace("}", "")
            answer = server.request(method.upper(), target, key=None)
            if answer.status != 401:
                opened.add(operation["operationId"])
    assert opened == {"webhookPayments", "healthLive", "healthReady"}


def test_a_server_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path, SERVER_API_KEY=" ") as server:
        assert server.request("GET", TARIFFS, key="").status == 401
        assert server.request("GET", TARIFFS, key=" ").status == 401
        assert server.request("GET", TARIFFS, key=KEY).status == 401
        assert server.request("GET", "/api/v1/health/live", key=None).status == 200


def test_all_keys_are_compared_and_the_position_is_told() -> None:
    keys = [b"first", b"second"]
    assert accepted(keys, b"first") == 0
    assert accepted(keys, b"second") == 1
    assert accepted(keys, b"third") is None
    assert accepted([], b"") is None
