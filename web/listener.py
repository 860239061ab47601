"""The listening socket that the server's processes share."""

from __future__ import annotations

import socket
from typing import Any


class SharedListener(socket.socket):
    """Accepts one connection per turn of the event loop and leaves the rest to other processes.

    asyncio calls accept() until no connection is left: the first process to wake would accept every
    waiting connection, and serve them alone while the others sleep.
    """

    _given = False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; BlockingIOError when there is none, and every second time."""
        if self._given:
            self._given = False
            raise BlockingIOError
        connection = super().accept()
        self._given = True
        return connection
