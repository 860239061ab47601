"""The compared servers: two processes each, started together, measured in turn."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psutil

from lab.bench.operations import API_KEY, STRIPE_SECRET
from local import ports
from local.processes import ROOT, Child, Program

PROCESSES = 2
THREADS = 8  # of our handlers, and connections of each process of our peers
READY_SECONDS = 40
STOP_SECONDS = 10
PEERS = ROOT / ".venv" / "peers"  # their packages, see the Makefile

_UVICORN = ("-m", "uvicorn", "--workers", str(PROCESSES), "--host", "127.0.0.1")
SERVERS = {
    "ours": ("-m", "gunicorn"),
    "fastapi": (*_UVICORN, "lab.bench.peers.fastapi_app:app"),
}


def environment(url: str, folder: Path) -> dict[str, str]:
    """Settings that all servers share."""
    return {
        **os.environ,
        "DATABASE_URL": url,
        "STATE_DIR": str(folder),
        "SERVER_API_KEY": API_KEY,
        "STRIPE_SECRET_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        "WEB_CONCURRENCY": str(PROCESSES),
        "SERVER_THREADS": str(THREADS),
        # The peers have no such limit, and a few users make all the load.
        "RATE_LIMIT_PER_USER": "0",
    }


def _path(name: str) -> dict[str, str]:
    return {} if name == "ours" else {"PYTHONPATH": f"{ROOT}{os.pathsep}{PEERS}"}


class Server:
    """A running server and the CPU time of its processes.

    arguments: of Python, instead of those of SERVERS.
    """

    def __init__(
        self,
        name: str,
        environ: dict[str, str],
        logs: Path,
        arguments: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.port = ports.reserve()
        port = () if name == "ours" else ("--port", str(self.port))
        self._child = Child(
            Program(name, (*(arguments or SERVERS[name]), *port), STOP_SECONDS),
            environ={**environ, **_path(name), "PORT": str(self.port)},
            logs=logs,
        )

    def wait(self) -> None:
        """Wait until it listens. ChildError."""
        self._child.wait_until(self._listens, READY_SECONDS)
        time.sleep(2)  # for the other processes

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        total = 0.0
        for process in self.processes():
            times = process.cpu_times()
            total += times.user + times.system
        return total

    def stop(self) -> None:
        """Stop it and its processes."""
        self._child.stop()

    def processes(self) -> list[psutil.Process]:
        """Its running processes, the parent first."""
        return self._child.processes()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
