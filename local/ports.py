"""Ports on 127.0.0.1 that two programs never get at once, however many start together."""

from __future__ import annotations

import socket
import sys


def reserve() -> int:
    """A port for a server that this process starts, now or later, once or again and again.

    On Linux nobody else gets its number while this process lives, and until somebody listens there
    connections are refused. Elsewhere it is merely free now.
    """
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # the kernel chooses one that nobody is bound to
        port: int = holder.getsockname()[1]
        if sys.platform == "linux":
            # A server, which sets this option too, may now listen beside a socket that does not.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.detach()  # stays open until this process ends
    return port
