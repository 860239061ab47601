"""The one client of the API: what it sends along, and to whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.client import Client, is_ready


class Listening(ThreadingHTTPServer):
    """Answers every GET with `status` and remembers path and headers."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/api"


@pytest.fixture
def server() -> Iterator[Listening]:
    with Listening() as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening
        listening.shutdown()


def test_the_key_goes_to_the_api_and_to_no_signed_link(server: Listening) -> None:
    with Client(server.url, "secret") as client:
        client.send("GET", "/tariffs", key="once")
        client.send("GET", f"{server.url}/v1/jobs?cursor=1")
        client.send("GET", f"{server.url}/storage/objects/1?signature=2")
    paths = [path for path, _ in server.asked]
    assert paths == [
        "/api/v1/tariffs",
        "/api/v1/jobs?cursor=1",
        "/api/storage/objects/1?signature=2",
    ]
    keys = [headers.get("X-API-Key") for _, headers in server.asked]
    assert keys == ["secret", "secret", None]
    assert [headers.get("Idempotency-Key") for _, headers in server.asked] == ["once", None, None]


def test_a_server_is_ready_when_it_says_so(server: Listening) -> None:
    assert is_ready(server.url)
    server.status = 503
    assert not is_ready(server.url)
    server.shutdown()
    server.server_close()
    assert not is_ready(server.url)
