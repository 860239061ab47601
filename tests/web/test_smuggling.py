"""Request smuggling: where a proxy and the server could disagree, the server refuses."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

import pytest

from tests.wire import KEY, Server

BODY = b'{"telegramId":"1"}'
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HEAD = (
    b"POST /api/v1/users/register-or-login HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nX-API-Key: " + KEY.encode() + b"\r\n"
)
HIDDEN = b"GET /api/v1/tariffs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
LENGTH = b"Content-Length: 18\r\n\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 18\r\n" + LENGTH + BODY,
        HEAD + b"Content-Length: 1\r\n" + LENGTH + BODY,
        *(
            HEAD + b"Content-Length" + length + b"\r\n\r\n" + BODY
            for length in (b": 18, 18", b": +18", b": 0x12", b": 1_8", b" : 18", ": １８".encode())
        ),
        HEAD + CHUNKS + LENGTH + CHUNKED,
        HEAD + b"Transfer-Encoding : chunked\r\n" + LENGTH + BODY,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
        HEAD + CHUNKS + CHUNKS + b"\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: \x0bchunked\r\n" + LENGTH + BODY,
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + LENGTH + BODY,
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 18\n\n" + BODY,
        HEAD + b"X: a\r" + LENGTH + BODY,
        HEAD + b"X: a\x00b\r\n" + LENGTH + BODY,
        HEAD + b"Host: y\r\n" + LENGTH + BODY,
        HEAD.replace(b"1.1", b"1.0", 1) + CHUNKS + b"\r\n" + CHUNKED,
        *(
            HEAD + CHUNKS + b"\r\n" + size + BODY + b"\r\n0\r\n\r\n"
            for size in (b"12\n", b"-12\r\n", b"0x12\r\n", b"1_2\r\n", b"+12\r\n", b"\r\n")
        ),
    ],
)
def test_a_request_of_two_meanings_is_refused_and_ends_the_connection(
    server: Server, request_bytes: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request_bytes + HIDDEN)
        heard = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                heard += part
    (status,) = re.findall(rb"HTTP/1\.1 (\d+)", heard)
    assert status in (b"400", b"501")
