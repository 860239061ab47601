"""Scripted trouble: the next calls of a method hang, drop, answer HTML, flood or a given error."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from sandbox.telegram.wire import Refusal

KINDS = ("hang", "drop", "html", "flood", "error")


@dataclass
class Fault:
    """One script. `method` is lower-cased, "*" fits all; it wears off after `times` calls.

    after: carry the call out first, so that it works and only its answer is lost.
    """

    kind: str
    method: str = "*"
    times: int = 1
    seconds: float = 1.0
    after: bool = False
    error_code: int = 400
    description: str = "Bad Request: scripted"
    parameters: dict[str, Any] | None = None


class Faults:
    """The scripts not yet worn off, oldest first."""

    def __init__(self) -> None:
        self._scripts: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Append a script."""
        with self._lock:
            self._scripts.append(fault)

    def clear(self) -> None:
        """Forget every script."""
        with self._lock:
            self._scripts.clear()

    def next(self, method: str) -> Fault | None:
        """The script that befalls this call, used up by one."""
        with self._lock:
            for fault in self._scripts:
                if fault.method in ("*", method):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._scripts.remove(fault)
                    return fault
            return None


def befall(fault: Fault) -> Response | None:
    """Do what the script says; None lets the call go on (a hang that has ended)."""
    if fault.kind == "hang":
        time.sleep(fault.seconds)
        return None
    if fault.kind == "drop":
        _close_connection()
        return Response(status=502)
    if fault.kind == "html":
        page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
        return Response(page, status=502, mimetype="text/html")
    if fault.kind == "flood":
        seconds = max(int(fault.seconds), 1)
        raise Refusal(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})
    raise Refusal(fault.error_code, fault.description, fault.parameters)


def _close_connection() -> None:
    """Cut the TCP connection under the answer; works on the werkzeug server only."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
