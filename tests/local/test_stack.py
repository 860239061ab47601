"""`python -m local run` starts everything, reports what breaks, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local import ports
from local.client import is_ready
from local.postgres import throwaway
from local.postgres.embedded import running_url
from tests.scraping import Scraped
from tests.wire import ROOT, wait_until

SECONDS = 60


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """One state folder for all tests: a warm start is fast."""
    with throwaway.state_folder("local") as folder:
        yield folder


@contextmanager
def run(state: Path, port: int | None = None, **more: str) -> Iterator[subprocess.Popen[str]]:
    """`local/stack.py run` with nothing set but folder and port."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "SERVER_API_KEY", "SERVER_URL", "ENVIRONMENT")
    }
    environ |= {"STATE_DIR": str(state), "WEB_CONCURRENCY": "1"}
    environ |= {"PORT": str(port or ports.reserve()), **more}
    with subprocess.Popen(
        [sys.executable, "-m", "local", "run", "--sandbox-port", "0", "--console-port", "0"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> dict[str, str]:
    """The names and values it prints when everything is up."""
    facts: dict[str, str] = {}
    said: list[str] = []
    while "Logs" not in facts:
        line = process.stdout.readline()
        said.append(line)
        assert line, f"it ended, having said {said}"
        if match := re.fullmatch(r"  (\S+) +(\S.*)\n", line):
            facts[match[1]] = match[2]
    return facts


def children(pid: int) -> list[int]:
    """Processes below `pid`, at any depth."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [pid]
    for each in found:
        found += [child for child, parent in pairs if parent == each]
    return found[1:]


def alive(pids: list[int]) -> list[int]:
    """Processes that still run, zombies not counted."""
    states = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(line.split()[0]) for line in states.stdout.splitlines() if "Z" not in line]


def refuses_connections(url: str) -> bool:
    place = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((place.hostname, place.port)) != 0


def test_all_is_up_when_it_says_so_and_sigterm_stops_all(state: Path) -> None:
    with run(state, METRICS_ADDRESS=f"127.0.0.1:{ports.reserve()}") as process:
        facts = printed(process)
        parts = children(process.pid)
        assert len(parts) > 3
        seen = Scraped(requests.get(facts["Metrics"], timeout=60).text)
        assert seen.value("database_up") == 1
        assert seen.value("http_requests_in_progress") is not None  # of the server
        assert seen.value("duty_seconds_count", duty="draw lotteries")  # and of the worker
        assert is_ready(facts["API"].removesuffix("/v1"))
        assert requests.get(facts["Docs"], timeout=60).status_code == 200
        assert requests.get(facts["Console"], timeout=60).status_code == 200
        key = facts["X-API-Key"]
        tariffs = f"{facts['API']}/tariffs"
        assert requests.get(tariffs, timeout=60).status_code == 401
        assert requests.get(tariffs, headers={"X-API-Key": key}, timeout=60).json()
        assert running_url(state / "postgres")

        assert (state / "api.key").read_text() == key
        assert (state / "api.key").stat().st_mode & 0o777 == 0o600
        assert {log.name for log in Path(facts["Logs"]).glob("*.log")} >= {
            "server.log",
            "worker.log",
        }
        refuse_a_second_one(state, facts)

        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # of the impatient, too
        assert process.wait(SECONDS) == 0
        assert alive(parts) == []
        assert refuses_connections(facts["API"])
        assert running_url(state / "postgres") is None


def refuse_a_second_one(state: Path, facts: dict[str, str]) -> None:
    """A second one is told what is in its way, and the first goes on."""
    port = urlsplit(facts["API"]).port or 0
    with run(state, port) as same_port:
        said = same_port.communicate(timeout=SECONDS)[0]
        assert same_port.returncode == 1
        assert f"Cannot listen on 127.0.0.1:{port}" in said
        assert f"PORT={port + 1}" in said
    with run(state) as same_folder:
        said = same_folder.communicate(timeout=SECONDS)[0]
        assert same_folder.returncode == 1
        assert "is being run by another launcher" in said
    assert is_ready(facts["API"].removesuffix("/v1"))


@pytest.mark.parametrize(("part", "name"), [("gunicorn", "server"), ("postgres", "PostgreSQL")])
def test_a_part_that_dies_is_named_and_takes_the_rest_with_it(
    state: Path, part: str, name: str
) -> None:
    with run(state) as process:
        facts = printed(process)
        parts = children(process.pid)
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        victims = [int(line.split()[0]) for line in listed.stdout.splitlines() if part in line]
        os.kill(victims[0], signal.SIGKILL)
        said = process.communicate(timeout=SECONDS)[0]
        assert process.returncode == 1
        assert f"{name} ended by itself" in said
        assert alive(parts) == []
        assert refuses_connections(facts["API"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_killed_itself_it_leaves_nothing_and_the_next_one_starts(state: Path) -> None:
    with run(state) as process:
        printed(process)
        parts = children(process.pid)
        process.kill()
        wait_until(lambda: alive(parts) == [], SECONDS)
    with run(state) as process:
        printed(process)


def test_a_setting_that_cannot_be_used_is_named(state: Path, monkeypatch) -> None:
    monkeypatch.setenv("SERVER_THREADS", "many")
    with run(state) as process:
        assert "SERVER_THREADS: 'many' is not a whole number" in process.communicate()[0]
        assert process.returncode == 1
