"""How Prometheus gets the metrics: from processes that share a folder, or from a single one."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from telemetry import metrics
from telemetry.metrics import Sample
from telemetry.metrics.kinds import counted

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MEMORY = Path("/dev/shm")  # noqa: S108 a folder of our own is made there, which only we may read
STEM = f"livephoto-metrics-{socket.gethostname()}-"


def common_folder(chosen: str) -> Path:
    """The folder that was chosen, made if it is missing, or a new one."""
    if not chosen:
        return new_folder()
    folder = Path(chosen)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def new_folder() -> Path:
    """A folder in memory, for processes that are scraped together; those left by processes that
    were killed are removed.

    It is named after this process and its machine, so that a second server has its own.
    """
    memory = _memory()
    for left in memory.glob(f"{STEM}*"):
        pid = left.name.removeprefix(STEM)
        # A machine whose name goes on from ours may share the memory.
        if pid.isdecimal() and not _is_anothers(pid):
            shutil.rmtree(left, ignore_errors=True)
    folder = memory / f"{STEM}{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def remove_own_folder() -> None:
    """For the end of the process that made one."""
    shutil.rmtree(_memory() / f"{STEM}{os.getpid()}", ignore_errors=True)


def forget_process(pid: int) -> None:
    """A process has ended: its levels go, what it has counted stays, as totals never fall."""
    if metrics.has_started():
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def count_error_lines() -> None:
    """Count the log's lines at level ERROR; to be called when logging has been configured."""
    logging.getLogger().addHandler(_ErrorLines(logging.ERROR))


def exposition(samples: Iterable[Sample] = ()) -> bytes:
    """All metrics in the text format of Prometheus: what was counted, and these readings."""
    from prometheus_client import CollectorRegistry, generate_latest

    read = CollectorRegistry()
    read.register(_Readings(list(samples)))
    return generate_latest(counted()) + generate_latest(read)


def show(address: str, token: str, folder: str) -> None:
    """Count in a program that is one process, if there is an address, and answer GET /metrics
    there, unless the server does that for all who write into this folder.

    OSError when the address is taken or the folder cannot be written.
    """
    if not address:
        return
    metrics.start(common_folder(folder) if folder else None)
    count_error_lines()
    if not folder:
        listen(address, token)


def may_scrape(authorization: str, token: str) -> bool:
    """Whether this value of Authorization has the token, if one is asked for."""
    expected = f"Bearer {token}".encode()
    return not token or hmac.compare_digest(authorization.encode(), expected)


def listen(address: str, token: str) -> None:
    """Answer GET /metrics at this host:port from a thread, in a program that is one process.

    OSError when the address is taken.
    """
    server = _Listener(address, token)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Listener(ThreadingHTTPServer):
    def __init__(self, address: str, token: str) -> None:
        host, _, port = address.rpartition(":")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.token = token
        super().__init__((host.strip("[]"), int(port)), _Scrape)


class _Scrape(BaseHTTPRequestHandler):
    timeout = 10
    server: _Listener

    def do_GET(self) -> None:
        """Answer one scrape."""
        body, status = b"", 200
        if self.path != PATH:
            status = 404
        elif not may_scrape(self.headers.get("Authorization", ""), self.server.token):
            status = 401
        else:
            body = exposition()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


class _Readings:
    """A collector, as prometheus_client wants it."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        families: dict[str, GaugeMetricFamily] = {}
        for metric, value, values in self._samples:
            if metric.name not in families:
                families[metric.name] = GaugeMetricFamily(
                    metric.name, metric.about, labels=metric.labels
                )
            families[metric.name].add_metric(values, value)
        yield from families.values()


class _ErrorLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        metrics.log_errors.add(record.name)


def _memory() -> Path:
    return MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())


def _is_anothers(pid: str) -> bool:
    """Whether a process with this number lives, and is not this one."""
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
