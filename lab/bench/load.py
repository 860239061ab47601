"""Load generators: wrk for servers, pgbench for the same statements without a server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.bench.operations import Operation
from lab.bench.servers import Server

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Run:
    """Results of one run. CPU is that of the server's processes, without the database."""

    requests: int
    seconds: float
    errors: int
    cpu_ms: float  # for one request
    p50_ms: float
    p99_ms: float | None  # pgbench does not report it

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.requests / self.seconds


def drive(
    server: Server,
    operation: Operation,
    prepared: Path,
    *,
    seconds: float,
    clients: int = CONNECTIONS,
) -> Run:
    """Send prepared requests to a server over so many connections."""
    before = server.cpu_seconds()
    outcome = subprocess.run(
        [
            _program("wrk"),
            "--threads=1",
            f"--connections={clients}",
            f"--duration={seconds:.0f}s",
            f"--script={_SCRIPT}",
            f"http://127.0.0.1:{server.port}",
            "--",
            str(prepared),
            "once" if operation.once else "again",
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    spent = server.cpu_seconds() - before
    figures = json.loads(outcome.stdout.splitlines()[-1])
    return Run(cpu_ms=spent * 1000 / max(figures["requests"], 1), **figures)


def run_baseline(script: Path, url: str, *, seconds: float, clients: int = CONNECTIONS) -> Run:
    """Run statements from one thread of pgbench over so many connections, as text like ours."""
    outcome = subprocess.run(
        [
            _program("pgbench"),
            "--no-vacuum",
            f"--client={clients}",
            "--jobs=1",
            f"--time={seconds:.0f}",
            f"--file={script}",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    return Run(
        requests=int(_number(r"actually processed: (\d+)", outcome.stdout)),
        seconds=seconds,
        errors=int(_number(r"failed transactions: (\d+)", outcome.stdout)),
        cpu_ms=0.0,
        p50_ms=_number(r"latency average = ([\d.]+)", outcome.stdout),
        p99_ms=None,
    )


def prepare(file: Path, requests: list[bytes]) -> Path:
    """Write requests as requests.lua reads them."""
    file.write_bytes(b"".join(b"%d\n" % len(each) + each for each in requests))
    return file


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(
            f"{name} is not installed; on Debian: apt install wrk postgresql-contrib"
        )
    return found
