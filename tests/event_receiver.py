"""A bot's address for events: the standard's own library judges each; it misbehaves on order."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests import wire

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_c2Vjb25kLXNlY3JldC1vZi10aGUtdGVzdHMtMDE="

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """url: where it listens. answers: what it does with the next posts instead of a 204."""

    url: str = ""
    secret: str = SECRET
    answers: list[Answer] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)
    most_busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, handler: BaseHTTPRequestHandler) -> None:
        """One post: judged, noted, and answered."""
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        try:
            post = Webhook(self.secret).verify(body, dict(handler.headers))
        except Exception as error:  # whatever the library finds
            self.unproved.append(repr(error))
            post = json.loads(body)
        user = post["data"].get("user", {}).get("id", "")
        with self._lock:
            self.posts.append(post)
            self.ids.append(handler.headers["webhook-id"])
            self.busy[user] = self.busy.get(user, 0) + 1
            self.most_busy = max(self.most_busy, self.busy[user])
            answer = self.answers.pop(0) if self.answers else status(204)
        try:
            answer(handler)
        finally:
            with self._lock:
                self.busy[user] -= 1

    def wait_for(self, posts: int) -> list[dict[str, Any]]:
        """The first posts, when there are so many."""
        wire.wait_until(lambda: len(self.posts) >= posts)
        return self.posts[:posts]


@contextmanager
def receiving(secret: str = SECRET) -> Iterator[Receiver]:
    """A receiver that listens during the block."""
    receiver = Receiver(secret=secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.receive(self)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """An answer with this status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if code != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def reset(handler: BaseHTTPRequestHandler) -> None:
    """No answer: the connection is reset."""
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def silence(handler: BaseHTTPRequestHandler) -> None:
    """No answer for as long as the other side waits."""
    handler.connection.settimeout(60)
    handler.connection.recv(1)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A head that never ends, one byte after the other."""
    gone = threading.Event()
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not gone.wait(0.05):
            handler.wfile.write(b"a")
            handler.wfile.flush()
    except OSError:
        return


def endless(code: int) -> Answer:
    """An answer whose body does not end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.send_response(code)
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    return answer
