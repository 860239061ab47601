"""`python -m lab.bench.commits.distance`: a server that seems to be further away than it is.

Nothing in a kernel of a container delays packets, so bytes are passed on by threads, late.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

CHUNK = 1 << 18
Late = SimpleQueue[tuple[float, bytes]]


def serve(port: int, target: int, seconds: float) -> None:
    """Pass on what comes to `port` and back, each way so many seconds late."""
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", target))
        for source, sink in ((near, far), (far, near)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            late: Late = SimpleQueue()
            for work, end in ((_take, source), (_give, sink)):
                threading.Thread(target=work, args=(end, late, seconds), daemon=True).start()


def _take(source: socket.socket, late: Late, seconds: float) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            late.put((time.monotonic() + seconds, data))
    late.put((0.0, b""))


def _give(sink: socket.socket, late: Late, _: float) -> None:
    with suppress(OSError):
        while True:
            due, data = late.get()
            if not data:
                break
            if (pause := due - time.monotonic()) > 0:
                time.sleep(pause)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
