"""Connections that come at once are shared by the processes that listen together."""

from __future__ import annotations

import asyncio
import gc
import runpy
import socket
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests import wire
from web.listener import SharedListener

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


def test_a_process_of_the_server_takes_one_connection_in_each_turn_of_its_loop() -> None:
    taken: list[asyncio.BaseTransport] = []
    steps: list[int] = []

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    loop = asyncio.new_event_loop()
    bound = SimpleNamespace(sock=socket.create_server(("127.0.0.1", 0)))
    process = SimpleNamespace(sockets=[bound], loop=loop)
    runpy.run_path(str(wire.ROOT / "gunicorn.conf.py"))["post_worker_init"](process)
    gc.unfreeze()

    with ExitStack() as stack:
        stack.callback(loop.close)
        server = loop.run_until_complete(loop.create_server(Guest, sock=bound.sock))
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(bound.sock.getsockname()))
        while len(taken) < CROWD:
            before = len(taken)
            loop.call_soon(loop.stop)
            loop.run_forever()  # one turn
            steps.append(len(taken) - before)
        for connection in taken:
            connection.close()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.run_until_complete(asyncio.sleep(0))
    assert max(steps) == 1


def test_both_processes_of_a_server_serve_a_crowd(tmp_path: Path) -> None:
    with wire.serve("tests.stubs:create()", tmp_path, WEB_CONCURRENCY="2") as server:
        wire.wait_until(
            lambda: server.log.read_text("utf-8").count("ASGI server listening") == 2, 20
        )
        workers = psutil.Process(server.process.pid).children()
        # A busy machine may keep one of them from its processor, even several times.
        shares: list[list[int]] = []
        while not shares or (min(shares[-1]) < CROWD // 4 and len(shares) < 40):
            shares.append(_shares(server.port, workers))
    assert min(shares[-1]) >= CROWD // 4, shares


def _shares(port: int, workers: list[psutil.Process]) -> list[int]:
    """How many clients each process has, of many that connect at once and stay."""
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
