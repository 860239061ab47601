"""Real HTTP on loopback: gunicorn in a process of its own, requests as raw bytes."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import ports
from local.processes import ROOT, Child, Program, comes_true
from tests.forks import ForkedChild

__all__ = ["ROOT"]

KEY = "wire-key-0123456789-0123456789-0123456789"
SECOND_KEY = "second-key-0123456789-0123456789-012345678"
START_SECONDS = 60
# For what is to happen at once: on any machine it does, and what is not ended lasts longer.
IN_TIME_SECONDS = 20
STOP_SECONDS = 30


@dataclass
class Answer:
    """One HTTP answer as received."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> Any:
        """What the stub handler was called with."""
        return json.loads(self.headers["X-Seen"])


@dataclass
class Server:
    """A running server."""

    port: int
    process: Child
    state_dir: Path

    @property
    def log(self) -> Path:
        """The file its lines go to."""
        return self.process.log

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far, in which each line must be JSON."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def wait_for_slow_request(self) -> None:
        """Wait until a function of SLOW_USER works; it ends when the file `gate` appears."""
        wait_until((self.state_dir / "begun").exists)

    def access(self, request_id: str) -> dict[str, Any]:
        """The access line of one request; it is written just after the answer is sent."""

        def written() -> list[dict[str, Any]]:
            return [
                line
                for line in self.lines()
                if line["logger"] == "access" and line["request_id"] == request_id
            ]

        wait_until(written)
        return written()[0]

    def raw(self, data: bytes, *, timeout: float = 60) -> Answer:
        """Send bytes as they are and read one answer; TimeoutError after so many silent seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            head = data.split(b" ", 1)[0].decode("latin-1")
            with http.client.HTTPResponse(connection, method=head) as response:
                response.begin()
                return Answer(response.status, response.headers, response.read())

    def request(
        self,
        method: str,
        path: str | bytes,
        body: bytes = b"",
        headers: Mapping[str, str | bytes] | None = None,
        *,
        key: str | None = KEY,
        chunked: bool = False,
    ) -> Answer:
        """One request on a connection of its own."""
        return self.raw(compose(method, path, body, headers, key=key, chunked=chunked))

    def post_json(self, path: str, value: Any, **headers: str) -> Answer:
        """A POST of JSON with the first key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **named})

    def get(self, path: str, **headers: str) -> Answer:
        """A GET with the first key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("GET", path, b"", named)


def compose(
    method: str,
    path: str | bytes,
    body: bytes = b"",
    headers: Mapping[str, str | bytes] | None = None,
    *,
    key: str | None = KEY,
    chunked: bool = False,
) -> bytes:
    """The bytes of a request; a header given as "" is left out."""
    fields: dict[str, str | bytes] = {"Host": "127.0.0.1", "Connection": "close"}
    if key is not None:
        fields["X-API-Key"] = key
    if chunked:
        fields["Transfer-Encoding"] = "chunked"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif body or method in ("POST", "PATCH"):
        fields["Content-Length"] = str(len(body))
    fields |= headers or {}
    target = path if isinstance(path, bytes) else path.encode()
    out = io.BytesIO()
    out.write(method.encode() + b" " + target + b" HTTP/1.1\r\n")
    for name, value in fields.items():
        if value != "":
            encoded = value if isinstance(value, bytes) else value.encode()
            out.write(name.encode() + b": " + encoded + b"\r\n")
    out.write(b"\r\n" + body)
    return out.getvalue()


@contextmanager
def serve(application: str, folder: Path, **environ: str) -> Iterator[Server]:
    """gunicorn with the project's own configuration, one worker, until the block ends."""
    port = ports.reserve()
    with start(application, folder, port, None, **environ) as process:
        # Written once the worker listens; connecting earlier would only reach the backlog.
        process.wait_until(lambda: "ASGI server listening" in process.said(), START_SECONDS)
        yield Server(port, process, folder)


def start(
    application: str, state_dir: Path, port: int, log: Path | None = None, /, **environ: str
) -> Child:
    """Start gunicorn; `environ` overrides settings that need nothing outside this machine.

    Its lines go to `log`, a file that ends in .log; to server.log in its state folder if not given.
    """
    chosen = {
        "ENVIRONMENT": "test",
        "SERVER_API_KEY": f"{KEY},{SECOND_KEY}",
        "SERVER_THREADS": "4",
        "WEB_CONCURRENCY": "1",
        "STATE_DIR": str(state_dir),
        "S3_BUCKET": "none",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    log = log or state_dir / "server.log"
    return ForkedChild(
        Program(log.stem, ("-m", "gunicorn", application), STOP_SECONDS),
        environ={**os.environ, **chosen, "PORT": str(port), **environ},
        logs=log.parent,
    )


def wait_until(fact: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `fact` holds; a machine that does other things, too, needs its time."""
    assert comes_true(fact, seconds), "took too long"
