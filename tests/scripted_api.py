"""An API of a provider on loopback, whose answers are scripted."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from providers.dialects import Dialect, Refusal
from providers.http import Patience, Transport

SECRET = "sk_live_0123456789"
# Short, yet longer than a machine at its limits lets a thread wait.
QUICK = Patience(first_pause_seconds=0.01, read_seconds=30, total_seconds=60)
Answer = Callable[[BaseHTTPRequestHandler], None]


def read_refusal(headers: Any, body: Any) -> Refusal:
    wait = body.get("wait")
    return Refusal(
        str(body.get("code", "")), str(body.get("words", "")), None if wait is None else float(wait)
    )


DIALECT = Dialect(
    provider="stripe",
    content_type="application/json",
    key_header="Idempotency-Key",
    encode=lambda body: json.dumps(body).encode(),
    read_refusal=read_refusal,
    passing=frozenset({409}),
)


class Api:
    """An API whose answers are scripted; the last one is repeated for ever."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.over = threading.Event()  # the test: ends what hangs
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                api.got.append((self.command, headers, self.rfile.read(length)))
                (api.script.pop(0) if len(api.script) > 1 else api.script[0])(self)

            def hang(self) -> None:
                api.over.wait()

            do_GET = do_POST = serve  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def transport(self, **more: Any) -> Transport:
        options: dict[str, Any] = {"authorization": f"Bearer {SECRET}", "patience": QUICK} | more
        return Transport(DIALECT, self.url, **options)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body if isinstance(body, bytes) else json.dumps(body or {}).encode())

    return give


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def html(status: int) -> Answer:
    return answer(status, b"<html>nginx</html>", Content_Type="text/html")
