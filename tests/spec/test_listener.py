"""Connections that come at once are shared by the processes that listen together."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from spec.listener import SharedListener
from tests import wire

CROWD = 16


def test_each_turn_gives_one_connection() -> None:
    with ExitStack() as stack:
        plain = socket.create_server(("127.0.0.1", 0))
        listener = stack.enter_context(SharedListener(fileno=plain.detach()))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        for _ in range(CROWD):
            stack.enter_context(listener.accept()[0])
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_server_of_two_processes_shares_a_crowd(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path, WEB_CONCURRENCY="2") as server:
        wire.wait_until(
            lambda: server.log.read_text("utf-8").count("ASGI server listening") == 2, 20
        )
        workers = psutil.Process(server.process.pid).children()
        shares = [_shares(server.port, workers) for _ in range(10)]
    # A busy machine may keep one of them from its processor for once.
    assert sum(min(each) >= CROWD // 4 for each in shares) >= 5, shares


def _shares(port: int, workers: list[psutil.Process]) -> list[int]:
    """How many clients each process has, of a crowd that asks at once and stays."""
    ask = wire.compose("GET", "/api/v1/tariffs", b"", {"Connection": "keep-alive"})
    with ExitStack() as stack:
        clients = []
        for _ in range(CROWD):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(ask)
            clients.append(client)
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        shares = [_held(worker) for worker in workers]
    wire.wait_until(lambda: not any(_held(worker) for worker in workers), 10)
    return shares


def _held(worker: psutil.Process) -> int:
    return sum(each.status == "ESTABLISHED" for each in worker.net_connections("tcp"))
