"""Ports on 127.0.0.1 that two programs never get at once, however many start together."""

from __future__ import annotations

import socket
import sys

# Open for as long as this process lives: the kernel gives their numbers to nobody else.
_held: list[socket.socket] = []


def reserve() -> int:
    """A port for a server that this process starts, now or later, once or again and again.

    On Linux nobody else gets its number while this process lives, and until somebody listens there
    connections are refused. Elsewhere it is merely free now.
    """
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))  # the kernel chooses one that nobody is bound to
    port: int = holder.getsockname()[1]
    if sys.platform == "linux":
        # A server, which sets this option too, may now listen beside a socket that does not.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(holder)
    else:
        holder.close()
    return port
