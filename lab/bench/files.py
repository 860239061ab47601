"""`python -m lab.bench.files`: what large uploads and downloads cost a real server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import click

from db import schema
from lab.bench.operations import API_KEY
from lab.bench.page import about, put, table
from lab.bench.servers import PROCESSES, Server, environment
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from settings.databases import plain

MEBIBYTE = 1024 * 1024
LARGE = 200 * MEBIBYTE
PARALLEL, EACH = 50, 10 * MEBIBYTE
ALLOWED_MIB = 32
# Of many at once: up to a mebibyte of a file is buffered in memory before it goes to disk.
ALLOWED_EACH_MIB = 3
# Relative to a bare socket that sends the same file from the same disk.
SLOWEST = 0.4
# Enough for any player, and for us, to recognise a video.
HEAD = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(64)
BLOCK = bytes(range(256)) * 4096  # a mebibyte
BOUNDARY = "bench-files-boundary"
BARE = "whole, over a bare socket"
ROUNDS = 3
SAMPLE_SECONDS = 0.02


@dataclass
class Cost:
    """Cost of one or many transfers: peak memory growth of the server, CPU and wall seconds."""

    name: str
    size: int
    growth_mib: float
    cpu: float
    seconds: float
    refused: int = 0

    @property
    def speed(self) -> float:
        """MiB/s."""
        return self.size / MEBIBYTE / self.seconds


@dataclass
class Download:
    """The same bytes read in one way, several times: MiB/s, and ms to the first byte."""

    name: str
    speeds: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    cpu_per_gib: list[float] = field(default_factory=list)


class MemoryProbe:
    """Samples the memory of a server's processes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()

    def measure(self, name: str, size: int, work: Callable[[], int]) -> Cost:
        """What `work` costs; `work` returns how often it was refused and sent again."""
        before, cpu, started = self._resident(), self._server.cpu_seconds(), time.perf_counter()
        peak = [before]
        self._stop.clear()
        sampler = threading.Thread(target=self._sample, args=(peak,))
        sampler.start()
        try:
            refused = work()
        finally:
            seconds = time.perf_counter() - started
            self._stop.set()
            sampler.join()
        growth = (peak[0] - before) / MEBIBYTE
        return Cost(name, size, growth, self._server.cpu_seconds() - cpu, seconds, refused)

    def _sample(self, peak: list[int]) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], self._resident())

    def _resident(self) -> int:
        return sum(process.memory_info().rss for process in self._server.processes())


@click.command()
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(to_docs: bool) -> None:
    """Measure memory, CPU and speed of uploads and downloads."""
    with throwaway.state_folder("files") as folder, _server(folder) as server:
        costs = _uploads(server)
        downloads = _downloads(server, folder)
    text = _markdown(costs, downloads)
    click.echo(text)
    if to_docs:
        put("files", text)
    failures = list(failures_of(costs, downloads))
    for failure in failures:
        click.echo(f"FAIL {failure}", err=True)
    sys.exit(bool(failures))


def failures_of(costs: list[Cost], downloads: list[Download]) -> Iterator[str]:
    """Uploads that took too much memory, and downloads from the server that were too slow."""
    for cost in costs:
        allowed = ALLOWED_MIB if cost.size == LARGE else PARALLEL * ALLOWED_EACH_MIB
        if cost.growth_mib > allowed:
            yield f"{cost.name}: {cost.growth_mib:.0f} MiB of memory, {allowed} are allowed"
    speeds = {download.name: median(download.speeds) for download in downloads}
    for download in downloads:
        if download.first_ms and speeds[download.name] < SLOWEST * speeds[BARE]:
            speed = speeds[download.name]
            yield f"{download.name}: {speed:.0f} MiB/s, a bare socket {speeds[BARE]:.0f}"


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Server]:
    with EmbeddedPostgres(folder / "postgres") as url:
        schema.upgrade(url)
        settings = environment(plain(url), folder)
        server = Server("ours", {**settings, "ENVIRONMENT": "development"}, folder)
        try:
            server.wait()
            yield server
        finally:
            server.stop()


def _uploads(server: Server) -> list[Cost]:
    probe = MemoryProbe(server)
    for _ in range(4 * PROCESSES):
        _upload(server, MEBIBYTE)  # so that every process has handled an upload
    costs = [
        probe.measure("200 MiB through the server", LARGE, lambda: _upload(server, LARGE)),
        probe.measure("200 MiB by a signed form", LARGE, lambda: _upload_by_form(server, LARGE)),
    ]

    def all_at_once() -> int:
        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(pool.map(lambda _: _upload(server, EACH), range(PARALLEL)))

    def forms_at_once() -> int:
        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(pool.map(lambda _: _upload_by_form(server, EACH), range(PARALLEL)))

    name = f"{PARALLEL} of 10 MiB at once"
    costs.append(probe.measure(f"{name} through the server", PARALLEL * EACH, all_at_once))
    costs.append(probe.measure(f"{name} by signed forms", PARALLEL * EACH, forms_at_once))
    return costs


def _upload(server: Server, size: int) -> int:
    """Send one multipart upload; how often it had to be sent again."""
    refused = 0
    while True:
        status, answer = _post(server, "/api/v1/data", {"type": "video"}, size, key=True)
        if status == 201:
            return refused
        if status != 503:
            raise RuntimeError(f"{status} {answer!r}")
        refused += 1
        time.sleep(0.5)


def _upload_by_form(server: Server, size: int) -> int:
    data_id, fields, path = _form(server)
    status, answer = _post(server, path, fields, size, key=False)
    if status != 204:
        raise RuntimeError(f"{status} {answer!r}")
    _call(server, "POST", f"/api/v1/data/{data_id}/confirm")
    return 0


def _form(server: Server) -> tuple[str, dict[str, str], str]:
    body = {"type": "video", "fileName": "a.mp4", "contentType": "video/mp4"}
    form = _call(server, "POST", "/api/v1/data/presign", body)
    return form["dataId"], form["fields"], urlsplit(form["uploadUrl"]).path


def _post(
    server: Server, path: str, fields: dict[str, str], size: int, *, key: bool
) -> tuple[int, bytes]:
    """Send a form with a file of `size` bytes, generated while it is sent."""
    texts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    start = (
        f'{texts}--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    ).encode()
    end = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield start + HEAD
        left = size - len(HEAD)
        while left:
            part = BLOCK[: min(left, len(BLOCK))]
            left -= len(part)
            yield part
        yield end

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(start) + size + len(end)),
        **({"X-API-Key": API_KEY} if key else {}),
    }
    try:
        # A server that refuses may answer, and close, before everything is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", path, body(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _call(server: Server, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status} {content!r}")
    return json.loads(content)


def _downloads(server: Server, folder: Path) -> list[Download]:
    """Measure the whole file, its second half, and the same bytes without a server, in turns."""
    data_id, fields, path = _form(server)
    _post(server, path, fields, LARGE, key=False)
    link = urlsplit(_call(server, "POST", f"/api/v1/data/{data_id}/confirm")["publicS3Url"])
    [stored] = [
        file
        for file in folder.rglob("objects/*/*/*")
        if file.is_file() and file.stat().st_size >= LARGE
    ][-1:]
    ways: list[tuple[Download, Callable[[Download], int]]] = [
        (Download("whole, from the server"), lambda download: _get(server, link.path, download)),
        (
            Download("second half, by Range"),
            lambda download: _get(server, link.path, download, start=LARGE // 2),
        ),
        (Download(BARE), lambda download: _over_socket(stored)),
        (Download("whole, read from the disk"), lambda download: _from_disk(stored)),
    ]
    for _ in range(ROUNDS):
        for download, measure in ways:
            _drop_cache(stored)
            cpu, started = server.cpu_seconds(), time.perf_counter()
            received = measure(download)
            seconds = time.perf_counter() - started
            download.speeds.append(received / MEBIBYTE / seconds)
            download.cpu_per_gib.append((server.cpu_seconds() - cpu) / received * 1024 * MEBIBYTE)
    return [download for download, _ in ways]


def _get(server: Server, path: str, download: Download, start: int = 0) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Range": f"bytes={start}-"} if start else {})
    answer = connection.getresponse()
    if answer.status != (206 if start else 200):
        raise RuntimeError(f"{answer.status} {answer.read()!r}")
    received = len(answer.read(1))
    download.first_ms.append((time.perf_counter() - began) * 1000)
    buffer = bytearray(MEBIBYTE)
    while count := answer.readinto(buffer):
        received += count
    connection.close()
    if received != LARGE - start:
        raise RuntimeError(f"{received} bytes of {LARGE - start}")
    return received


def _over_socket(file: Path) -> int:
    """The upper bound for loopback and one process: the kernel copies file to socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted, file.open("rb") as source:
            accepted.sendfile(source, 0, LARGE)

    server = threading.Thread(target=serve)
    server.start()
    received, buffer = 0, bytearray(MEBIBYTE)
    with socket.create_connection(listener.getsockname()) as client:
        while count := client.recv_into(buffer):
            received += count
    server.join()
    listener.close()
    return received


def _from_disk(file: Path) -> int:
    with file.open("rb") as source, open(os.devnull, "wb") as nowhere:
        shutil.copyfileobj(source, nowhere, MEBIBYTE)
    return LARGE


def _drop_cache(file: Path) -> None:
    """Make the next read come from the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _markdown(costs: list[Cost], downloads: list[Download]) -> str:
    upload_table = table(
        ["Upload", "memory grew by MiB", "CPU s per GiB", "MiB/s", "sent again after 503"],
        [
            [
                cost.name,
                f"{cost.growth_mib:.1f}",
                f"{cost.cpu / cost.size * 1024 * MEBIBYTE:.1f}",
                f"{cost.speed:.0f}",
                str(cost.refused),
            ]
            for cost in costs
        ],
    )
    download_table = table(
        ["Download of 200 MiB", "MiB/s", "first byte ms", "server's CPU s per GiB"],
        [
            [
                download.name,
                f"{median(download.speeds):.0f}",
                f"{median(download.first_ms):.0f}" if download.first_ms else "",
                f"{median(download.cpu_per_gib):.1f}" if download.first_ms else "",
            ]
            for download in downloads
        ],
    )
    return (
        f"{about('make bench-files')}: a server of {PROCESSES} processes and its client on the same"
        f" machine, durable writes. Memory is that of all its processes, looked at every"
        f" {SAMPLE_SECONDS * 1000:.0f} ms; {ALLOWED_MIB} MiB are allowed for one upload,"
        f" {PARALLEL * ALLOWED_EACH_MIB} for {PARALLEL} at once."
        f"\n\n{upload_table}\n\n"
        f"Medians of {ROUNDS} by turns, each after the file was dropped from the page cache."
        f" The server must reach {SLOWEST} of the bare socket.\n\n"
        f"{download_table}"
    )


if __name__ == "__main__":
    main()
