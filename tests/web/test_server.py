"""The server process: overload, probes, stopping, and starts that must fail."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from local import ports
from local.processes import ROOT
from settings import READ_THREADS
from tests import wire
from tests.stubs import SLOW_USER
from tests.wire import Server, compose, wait_until
from web.lanes import QUEUE_PER_THREAD

SLOW = f"/api/v1/users/{SLOW_USER}"
LIVE = compose("GET", "/api/v1/health/live", b"", {"Connection": "keep-alive"})
PLACES = READ_THREADS * (1 + QUEUE_PER_THREAD)
STARTS_WITH_FEW_FILES = """
import resource, runpy
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
conf = runpy.run_path("gunicorn.conf.py")
conf["allow_files"]()
most = conf["MOST_FILES"] if hard == resource.RLIM_INFINITY else min(hard, conf["MOST_FILES"])
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
"""


@pytest.fixture
def gate(server: Server) -> Path:
    """Slow requests end when this file is touched."""
    path = server.state_dir / "gate"
    path.unlink(missing_ok=True)
    return path


def test_a_full_server_refuses_at_once_and_still_answers_probes(server: Server, gate: Path) -> None:
    with ThreadPoolExecutor(PLACES + 5) as clients:
        waiting = [clients.submit(server.get, SLOW) for _ in range(PLACES + 5)]
        try:
            wait_until(lambda: sum(each.done() for each in waiting) == 5)
            answers = [each.result() for each in waiting if each.done()]
            assert [each.status for each in answers] == [503] * 5
            assert answers[0].json["code"] == "service_unavailable"
            assert answers[0].headers["Retry-After"] == "1"
            assert server.request("GET", "/api/v1/health/live", key=None).status == 200
        finally:
            gate.touch()
        statuses = [each.result().status for each in waiting]
    assert sorted(statuses) == [200] * PLACES + [503] * 5
    assert server.get("/api/v1/tariffs").status == 200


def test_slow_senders_keep_nobody_waiting(server: Server) -> None:
    half = compose("POST", "/api/v1/jobs", b"x" * 100, {"Content-Type": "application/json"})[:-50]
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    try:
        for number, connection in enumerate(idle):
            connection.sendall(half if number % 2 else half[:40])
        assert server.get("/api/v1/tariffs").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_a_stop_lets_a_running_request_end(tmp_path: Path) -> None:
    with (
        wire.serve("tests.stubs:create()", tmp_path) as server,
        ThreadPoolExecutor(1) as client,
    ):
        running = client.submit(server.get, SLOW)
        server.wait_for_slow_request()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Waiting for 1 connections to finish" in server.process.said())
        assert not running.done()
        (tmp_path / "gate").touch()
        assert running.result().status == 200
        assert server.process.wait(wire.STOP_SECONDS) == 0


def test_a_stop_does_not_wait_for_a_call_that_hangs(tmp_path: Path) -> None:
    ask = compose("GET", SLOW, b"", {"X-Request-ID": "hangs"})
    with wire.serve("tests.stubs:create_impatient()", tmp_path) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(ask)
            server.wait_for_slow_request()
        server.access("hangs")  # its request has been given up, its thread works on
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(wire.STOP_SECONDS) == 0
        assert "1 calls still hang" in server.process.said()
        assert "SIGKILL" not in server.process.said()


def test_readiness_fails_first_when_the_server_stops(tmp_path: Path) -> None:
    ask = compose("GET", "/api/v1/health/ready", b"", {"Connection": "keep-alive"})
    with (
        wire.serve("tests.stubs:create()", tmp_path) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        connection.sendall(ask)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        server.process.send_signal(signal.SIGTERM)

        def says_that_it_stops() -> bool:
            connection.sendall(ask)
            return connection.recv(4096).startswith(b"HTTP/1.1 503")

        wait_until(says_that_it_stops)
        assert server.process.wait(wire.STOP_SECONDS) == 0


def test_files_of_this_machine_are_served_beside_the_api(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path, S3_BUCKET="") as server:
        for path in ("/storage/objects/forged", "/api/storage/objects/forged"):
            answer = server.request("GET", path, key=None)
            assert answer.status == 403
            assert answer.json["code"] == "link_invalid"
            line = server.access(answer.headers["X-Request-ID"])
            assert (line["path"], line["code"]) == ("/storage/*", "link_invalid")
        answer = server.request("GET", "/storage/nothing", key=None)
        assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes."""
    folder = tmp_path_factory.mktemp("pair")
    with wire.serve("tests.stubs:create()", folder, WEB_CONCURRENCY="2") as running:
        wait_until(lambda: running.process.said().count("ASGI server listening") == 2)
        yield running


def test_connections_are_dealt_out_to_all_processes(pair: Server) -> None:
    with ExitStack() as opened:
        for _ in range(60):
            connection = socket.create_connection(("127.0.0.1", pair.port), timeout=60)
            opened.enter_context(connection).sendall(LIVE)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        held = [connections_of(process, pair.port) for process in pair.process.processes()[1:]]
    assert len(held) == 2 and sum(held) == 60 and min(held) > 10


def test_a_second_server_at_the_same_address_does_not_start(pair: Server, tmp_path: Path) -> None:
    application = "tests.stubs:create()"
    with wire.start(application, tmp_path, pair.port, None, WEB_CONCURRENCY="2") as second:
        assert second.wait(wire.START_SECONDS) == 1
        assert f"cannot listen on 127.0.0.1:{pair.port}: Address already in use" in second.said()
    assert pair.get("/api/v1/tariffs").status == 200


def test_an_upgrade_by_signal_is_refused_and_the_server_goes_on(pair: Server) -> None:
    pair.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "SIGUSR2 is not supported" in pair.process.said())
    wait_until(lambda: len(pair.process.processes()) == 3)
    assert pair.get("/api/v1/tariffs").status == 200


def test_a_killed_process_is_replaced(pair: Server) -> None:
    for process in pair.process.processes()[1:]:
        process.kill()
    wait_until(lambda: pair.process.said().count("ASGI server listening") == 4)
    assert pair.get("/api/v1/tariffs").status == 200


def connections_of(process: psutil.Process, port: int) -> int:
    """How many it holds that came to a port."""
    held = process.net_connections("tcp4")
    return sum(each.laddr.port == port and each.status == "ESTABLISHED" for each in held)


@pytest.mark.parametrize(
    ("application", "environ", "expected"),
    [
        ("tests.stubs:create_with_gap()", {}, "tariffs_list() is missing (GET /api/v1/tariffs)"),
        ("tests.stubs:create()", {"SERVER_THREADS": "many"}, "SERVER_THREADS"),
        ("tests.stubs:create_with_unreadable_parameters()", {}, "array in header"),
    ],
)
def test_a_server_that_cannot_serve_does_not_start(
    tmp_path: Path, application: str, environ: dict[str, str], expected: str
) -> None:
    with wire.start(application, tmp_path, ports.reserve(), None, **environ) as process:
        assert process.wait(wire.START_SECONDS) != 0
        assert expected in process.said()


def test_it_takes_as_many_open_files_as_it_may_have() -> None:
    command = [sys.executable, "-c", STARTS_WITH_FEW_FILES]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
