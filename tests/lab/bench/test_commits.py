"""`make bench-commits` really sends its standby a millisecond away."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

from local import ports
from local.postgres.embedded import is_free
from local.processes import Child, Program

LATE = 0.05


def test_bytes_come_late_each_way_and_in_their_order(tmp_path: Path) -> None:
    echo = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with echo.accept()[0] as client:
            while data := client.recv(100_000):
                client.sendall(data)

    threading.Thread(target=answer, daemon=True).start()
    port, target = ports.reserve(), echo.getsockname()[1]
    arguments = ("-m", "lab.bench.commits.distance", str(port), str(target), str(LATE))
    with (
        Child(Program("distance", arguments, 5), environ=os.environ, logs=tmp_path) as way,
        echo,
    ):
        way.wait_until(lambda: not is_free(port), 60)
        with socket.create_connection(("127.0.0.1", port)) as client:
            sent, started = os.urandom(500_000), time.monotonic()
            threading.Thread(target=client.sendall, args=(sent,)).start()
            first = client.recv(1)
            assert time.monotonic() - started >= 2 * LATE
            came = first
            while len(came) < len(sent):
                came += client.recv(100_000)
    assert came == sent
