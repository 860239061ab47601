"""Connections of our own to addresses that were looked at first; none lasts past its deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from providers.addresses import Address


def first_answering(
    addresses: Sequence[Address], port: int, *, seconds: float, deadline: float
) -> socket.socket:
    """A connection to the first address that takes one within `seconds`; OSError of the last one.

    deadline: of time.monotonic(), for all of them together.
    """
    trouble: OSError = ConnectionError("no address")
    for address in addresses:
        try:
            timeout = min(seconds, seconds_left(deadline))
            return socket.create_connection((str(address), port), timeout=timeout)
        except OSError as error:
            trouble = error
    raise trouble


@contextmanager
def cut_at(deadline: float, sock: socket.socket) -> Iterator[None]:
    """Ends a conversation at the deadline: a timeout per read would allow one byte at a time.

    What was read of it may look whole: whoever read it asks seconds_left() afterwards.
    """
    timer = threading.Timer(seconds_left(deadline), _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def seconds_left(deadline: float) -> float:
    """Until the deadline; TimeoutError when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("out of time")
    return seconds


def _cut(sock: socket.socket) -> None:
    try:
        # On the plain socket: the TLS one would first wait for the other side.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
