"""Scripted faults of the JSON APIs: the next calls hang, drop, answer HTML or a given status."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, request

# hang: answer only after `seconds`, or when the faults are cleared. drop: cut the connection. html:
# the 502 page of a proxy. status: an error of the API itself with `status`.
KINDS = ("hang", "drop", "html", "status")

PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Fault:
    """One script; it applies to the next `times` calls.

    call: "create_payment" and so on, "*" fits all. after: carry the call out first, so that only
    its answer is lost. retry_after: seconds, sent with `status`. description: the text of that
    error, "" for the provider's own.
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
    """The active scripts, oldest first; `error` builds a provider's answer with an error status."""

    def __init__(self, error: Callable[[Fault], Response]) -> None:
        self._error = error
        self._scripts: list[Fault] = []
        self._lock = threading.Lock()
        self._cleared = threading.Event()
        self._hanging = 0

    def add(self, **script: Any) -> Fault:
        """Append a script. TypeError or ValueError for an invalid one."""
        fault = Fault(**script)
        with self._lock:
            self._scripts.append(fault)
        return fault

    def state(self) -> dict[str, int]:
        """How many scripts wait for a call, and how many calls hang."""
        with self._lock:
            return {"scripts": len(self._scripts), "hanging": self._hanging}

    def clear(self) -> None:
        """Remove all scripts; calls that hang are answered now."""
        with self._lock:
            self._scripts.clear()
            self._cleared.set()
            self._cleared = threading.Event()

    def serve(self, call: str, answer: Callable[[], Response]) -> Response:
        """The answer to one call, or what its fault sends instead."""
        fault = self._next(call)
        if fault is None:
            return answer()
        if not fault.after and (failure := self._apply(fault)):
            return failure
        answered = answer()
        if fault.after and (failure := self._apply(fault)):
            return failure
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

    def _apply(self, fault: Fault) -> Response | None:
        """What is sent instead of the answer; None when a hang has ended."""
        if fault.kind == "hang":
            self._hang(fault.seconds)
            return None
        if fault.kind == "drop":
            _cut_connection()
        if fault.kind == "status":
            return self._error(fault)
        return Response(PROXY_PAGE, status=502, mimetype="text/html")

    def _hang(self, seconds: float) -> None:
        with self._lock:
            self._hanging += 1
            cleared = self._cleared
        cleared.wait(seconds)
        with self._lock:
            self._hanging -= 1


def _cut_connection() -> None:
    """Close the TCP connection without an answer; werkzeug passes its socket on."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
