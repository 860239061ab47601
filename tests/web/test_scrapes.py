"""What Prometheus sees of a server: at the second listener only, and from all processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import ports
from telemetry.metrics import scrape as folders
from tests import wire
from tests.scraping import Scraped, ask, scrape
from tests.stubs import SLOW_USER
from tests.wire import Server, wait_until

TOKEN = "token-of-prometheus"
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
USER = "/api/v1/users/3fa85f64-5717-4562-b3fc-2c963f66afa6"


@dataclass
class Watched:
    """A server without a database, and the port of its second listener."""

    server: Server
    port: int

    def scrape(self) -> Scraped:
        return scrape(self.port, TOKEN)

    def pids(self) -> list[int]:
        """The server's processes, the master first."""
        return [process.pid for process in self.server.process.processes()]

    def reads(self) -> float:
        """How many requests it has counted."""
        labels = {"operation": "usersGetById", "method": "GET", "status": "200"}
        return self.scrape().value("http_requests_total", **labels) or 0

    def refusals(self) -> float:
        """How many paths were asked for that are not in the contract."""
        labels = {"operation": "other", "code": "not_found"}
        return self.scrape().value("http_refusals_total", **labels) or 0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    port = ports.reserve()
    with wire.serve(
        "tests.stubs:create()",
        tmp_path_factory.mktemp("watched"),
        WEB_CONCURRENCY="2",
        METRICS_ADDRESS=f"127.0.0.1:{port}",
        METRICS_TOKEN=TOKEN,
        DATABASE_URL=NO_DATABASE,
    ) as server:
        yield Watched(server, port)


def test_figures_are_shown_at_the_second_listener_to_who_has_the_token(watched: Watched) -> None:
    assert ask(watched.port).status_code == 401
    assert ask(watched.port, TOKEN[:-1]).status_code == 401
    assert ask(watched.port, TOKEN, "/").status_code == 404
    assert ask(watched.port, TOKEN, USER).status_code == 404
    assert ask(watched.port, TOKEN).headers["Content-Type"].startswith("text/plain; version=0.0.4")
    # The address that accepted the connection counts, not what a client calls it.
    host = {"Host": f"127.0.0.1:{watched.port}", "Authorization": f"Bearer {TOKEN}"}
    assert watched.server.request("GET", "/metrics", b"", host).status == 404
    contract = watched.server.request("GET", "/api/v1/openapi.json", key=None).body
    assert b"/metrics" not in contract and b"livephoto_" not in contract


def test_requests_are_counted_by_operation_and_refusals_by_code(watched: Watched) -> None:
    before, asked = watched.reads(), 3
    unknown = watched.refusals()
    for _ in range(asked):
        assert watched.server.get(USER).status == 200
    watched.server.request("GET", USER, key=None)
    watched.server.get("/nothing/at/384726159")
    wait_until(lambda: watched.reads() == before + asked)
    wait_until(lambda: watched.refusals() == unknown + 1)
    refused = {"operation": "usersGetById", "code": "unauthorized"}
    wait_until(lambda: watched.scrape().value("http_refusals_total", **refused) == 1)
    seen = watched.scrape()
    took = {"operation": "usersGetById", "le": "+Inf"}
    assert seen.value("http_request_duration_seconds_bucket", **took) == before + asked + 1
    assert "384726159" not in seen.text and "3fa85f64" not in seen.text


def test_what_is_in_progress_is_a_level(watched: Watched) -> None:
    gate = watched.server.state_dir / "gate"
    gate.unlink(missing_ok=True)
    slow = wire.compose("GET", f"/api/v1/users/{SLOW_USER}")
    with socket.create_connection(("127.0.0.1", watched.server.port)) as connection:
        connection.sendall(slow)
        wait_until(lambda: watched.scrape().value("http_requests_in_progress") == 1)
        wait_until(lambda: watched.scrape().value("lane_busy_threads", lane="read") == 1)
        gate.touch()
        connection.recv(1)
    wait_until(lambda: watched.scrape().value("http_requests_in_progress") == 0)


def test_without_the_database_its_figures_are_left_out(watched: Watched) -> None:
    seen = watched.scrape()
    assert seen.value("database_up") == 0
    assert not seen.names() & {"livephoto_queue_jobs", "livephoto_outbox_pending"}


def test_totals_stay_when_a_process_is_killed(watched: Watched) -> None:
    before = watched.reads() + 1
    watched.server.get(USER)
    wait_until(lambda: watched.reads() == before)
    for worker in watched.pids()[1:]:
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda pid=worker: pid not in watched.pids())
    wait_until(lambda: len(watched.pids()) == 3)
    assert watched.reads() == before
    # Only those of the living are left of what goes up and down.
    wait_until(lambda: watched.scrape().value("http_requests_in_progress") == 0)


def test_promtool_has_nothing_to_say(watched: Watched) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is missing: apt install prometheus")
    said = subprocess.run(
        [promtool, "check", "metrics"], input=watched.scrape().text, text=True, capture_output=True
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_its_folder_in_memory_goes_with_the_server(tmp_path: Path) -> None:
    port = ports.reserve()
    shown = {"METRICS_ADDRESS": f"127.0.0.1:{port}", "DATABASE_URL": NO_DATABASE}
    with wire.serve("tests.stubs:create()", tmp_path, **shown) as server:
        (folder,) = Path("/dev/shm").glob(f"livephoto-metrics-*-{server.process.pid}")
        assert oct(folder.stat().st_mode)[-3:] == "700"
        assert ask(port).status_code == 200  # no token is set
    assert not folder.exists()


def test_nothing_listens_where_no_address_is_set(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path) as server:
        assert server.get("/metrics").status == 404
        assert len(server.process.processes()[0].net_connections("inet")) <= 1
        assert not list(Path("/dev/shm").glob(f"livephoto-metrics-*-{server.process.pid}"))


def test_a_folder_of_a_machine_with_a_longer_name_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers may share the memory in which the folders are."""
    monkeypatch.setattr(folders, "MEMORY", tmp_path)
    others = tmp_path / f"{folders.STEM}2-77"
    others.mkdir()
    own = folders.new_folder()
    assert others.is_dir() and own.parent == tmp_path
