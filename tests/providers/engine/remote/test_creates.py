"""A create is sent once, and its outcome is sorted so that nobody pays twice."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from providers.engine.remote import (
    Accepted,
    Ambiguous,
    NotSent,
    Order,
    Trouble,
)
from providers.http import Patience
from tests.providers.engine.remote.conftest import PATHS, EngineWorld, engine, recipe
from tests.scripted_api import Api, answer, drop, html

CERTIFICATE = Path(__file__).parents[2] / "certificates/photos.test.pem"


def order(name: str, **changes: Any) -> Order:
    """An order as if its photo had been uploaded."""
    return Order(uuid4(), recipe(name, **changes), photo="https://files.test/photo.jpg", prompt="a")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture(params=sorted(PATHS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "drop"},
        {"kind": "drop", "after": True},
        {"kind": "html"},
        {"kind": "html", "after": True},
        {"kind": "hang", "seconds": 2.5},
        {"kind": "hang", "seconds": 2.5, "after": True},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 500, "after": True},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504, "after": True},
        {"kind": "status", "status": 408},
        {"kind": "status", "status": 409},
    ],
)
def test_without_a_clear_answer_the_outcome_is_ambiguous_and_nothing_is_sent_again(
    world: EngineWorld, script: dict[str, Any]
) -> None:
    wanted = world.order()
    world.fault(**script)
    outcome = world.engine.create(wanted, world.photo)
    assert isinstance(outcome, Ambiguous)
    assert outcome.problem.trouble in (Trouble.INFRASTRUCTURE, Trouble.CONFIG)
    assert world.counters["calls"]["create"] == 1


@pytest.mark.parametrize(
    "trouble",
    [
        drop,
        html(200),
        html(502),
        answer(200, {"id": None, "request_id": "", "prompt_id": 5}),
        answer(201, {"id": "../account", "request_id": "a b", "prompt_id": "x" * 300}),
        answer(200, b"[]"),
        answer(200, b""),
        answer(302, {}, Location="/elsewhere"),
        answer(301, b"", Location="https://example.com/"),
        answer(405, {"detail": "no"}),
    ],
)
def test_an_answer_without_an_id_is_ambiguous(
    api: Api, name: str, prepared: Path, trouble: Any
) -> None:
    api.script = [trouble, answer(200, {"id": "a", "request_id": "a", "prompt_id": "a"})]
    outcome = engine(name, api.url).create(order(name), prepared)
    assert isinstance(outcome, Ambiguous)
    assert len(api.got) == 1


def test_a_create_has_a_connection_of_its_own(name: str, prepared: Path) -> None:
    with _keeping_connections() as (url, asked):
        adapter = engine(name, url)
        for _ in range(2):
            adapter.health()
            assert adapter.create(order(name), prepared) == Accepted("a")
    reads = {port for verb, port in asked if verb == "GET"}
    creates = [port for verb, port in asked if verb == "POST"]
    assert len(reads) == 1, "reads share a connection"
    assert len(set(creates)) == 2 and not reads & set(creates)


def test_what_nobody_heard_was_not_sent(name: str, prepared: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}",  # nobody listens there any more
        "http://no-such-host.invalid",
    ):
        outcome = engine(name, url).create(order(name), prepared)
        assert isinstance(outcome, NotSent)
        assert outcome.problem.trouble is Trouble.INFRASTRUCTURE


def test_a_connection_that_is_never_accepted_was_not_sent(name: str, prepared: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # they fill its backlog
        for each in waiting:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(address)
        try:
            outcome = engine(name, f"http://127.0.0.1:{address[1]}").create(order(name), prepared)
        finally:
            for each in waiting:
                each.close()
    assert isinstance(outcome, NotSent)


def test_a_proxy_that_is_not_there_has_sent_nothing(
    name: str, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    outcome = engine(name, "http://example.invalid").create(order(name), prepared)
    assert isinstance(outcome, NotSent)


def test_a_server_with_a_strange_certificate_gets_nothing(name: str, prepared: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with _tls_server(context) as (port, heard):
        outcome = engine(name, f"https://127.0.0.1:{port}").create(order(name), prepared)
    assert isinstance(outcome, NotSent)
    assert not any(heard)


def test_a_handshake_that_hangs_or_breaks_proves_nothing(name: str, prepared: Path) -> None:
    with _tls_server(None) as (port, _):  # accepts, and never says a word
        outcome = engine(name, f"https://127.0.0.1:{port}").create(order(name), prepared)
    assert isinstance(outcome, Ambiguous)


def test_a_tls_failure_that_is_not_about_the_certificate_proves_nothing(
    api: Api, name: str, prepared: Path
) -> None:
    api.script = [html(400)]  # it speaks HTTP where TLS is expected
    outcome = engine(name, api.url.replace("http", "https")).create(order(name), prepared)
    assert isinstance(outcome, Ambiguous)


def test_too_many_calls_of_ours_at_once_are_not_sent(api: Api, name: str, prepared: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def hold(handler: Any) -> None:
        held.set()
        release.wait(10)
        answer(200, {"id": "a", "request_id": "a", "prompt_id": "a"})(handler)

    api.script = [hold]
    adapter = engine(name, api.url, patience=Patience(at_once=1, room_seconds=0.05))
    first = threading.Thread(target=adapter.create, args=(order(name), prepared))
    first.start()
    try:
        assert held.wait(10)
        outcome = adapter.create(order(name), prepared)
    finally:
        release.set()
        first.join()
    assert isinstance(outcome, NotSent) and outcome.problem.trouble is Trouble.BUSY


def test_the_provider_is_told_when_to_give_up_by_itself(world: EngineWorld) -> None:
    wanted = world.order(run_seconds=150)
    assert isinstance(world.engine.create(wanted, world.photo), Accepted)
    headers = world.counters["headers"]["create"]
    if world.name == "fal":
        assert headers["X-Fal-No-Retry"] == "1"
        assert headers["X-Fal-Request-Timeout"] == "150"
        assert json.loads(headers["X-Fal-Object-Lifecycle-Preference"])
    if world.name == "replicate":
        assert headers["Cancel-After"] == "3m"
        assert "Prefer" not in headers


@contextmanager
def _keeping_connections() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """A server that leaves connections open; the verb and the client's port of each request."""
    asked: list[tuple[str, int]] = []
    said = json.dumps({"id": "a", "request_id": "a", "prompt_id": "a"}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.client_address[1]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _tls_server(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """A listener that shakes hands, or with None hangs; what it has heard after that."""
    heard: list[bytes] = []
    open_sockets: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            if context is None:
                continue
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                heard.append(secure.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for each in open_sockets:
            each.close()
