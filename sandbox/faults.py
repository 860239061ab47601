"""Scripted trouble of the JSON APIs: the next calls hang, drop, answer HTML or a given status."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, request

# hang: answer only after `seconds`. drop: cut the connection. html: the 502 page of a proxy.
# status: an error of the API itself with `status`.
KINDS = ("hang", "drop", "html", "status")

PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Fault:
    """One script; it wears off after `times` calls.

    call: "create_payment" and so on, "*" fits all. after: carry the call out first, so that only
    its answer is lost. retry_after: told with `status`, seconds. description: the words of that
    error, "" leaves them to the provider.
    """

    kind: str
    call: str = "*"
    times: int = 1
    seconds: float = 1.0
    after: bool = False
    status: int = 500
    retry_after: float | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")


class Faults:
    """The scripts not yet worn off, oldest first, and how a provider words an error status."""

    def __init__(self, error: Callable[[Fault], Response]) -> None:
        self._error = error
        self._scripts: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, **script: Any) -> Fault:
        """Append a script. TypeError or ValueError for one that cannot be."""
        fault = Fault(**script)
        with self._lock:
            self._scripts.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every script."""
        with self._lock:
            self._scripts.clear()

    def serve(self, call: str, answer: Callable[[], Response]) -> Response:
        """The answer to one call, or the trouble that befalls it instead."""
        fault = self._next(call)
        if fault is None:
            return answer()
        if not fault.after and (trouble := self._befall(fault)):
            return trouble
        answered = answer()
        if fault.after and (trouble := self._befall(fault)):
            return trouble
        return answered

    def _next(self, call: str) -> Fault | None:
        with self._lock:
            for fault in self._scripts:
                if fault.call in ("*", call):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._scripts.remove(fault)
                    return fault
            return None

    def _befall(self, fault: Fault) -> Response | None:
        """What comes instead of the answer; None when a hang has ended."""
        if fault.kind == "hang":
            time.sleep(fault.seconds)
            return None
        if fault.kind == "drop":
            _cut_connection()
        if fault.kind == "status":
            return self._error(fault)
        return Response(PROXY_PAGE, status=502, mimetype="text/html")


def _cut_connection() -> None:
    """End the TCP connection without an answer; werkzeug tells us its socket."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
