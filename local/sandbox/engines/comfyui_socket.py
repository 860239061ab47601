"""The /ws of the simulated ComfyUI: tells its clients how their runs go on.

Nobody of ours listens to it; it lets ComfyUI's own example client prove the rest.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from flask import Request, Response
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from local.sandbox.engines.runs import Run

TURN_SECONDS = 0.05


class _Hijacked(Response):
    """The end of a request whose connection is not HTTP any more."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        raise ConnectionError


def serve(request: Request, phases: Callable[[], list[tuple[Run, str]]]) -> Response:
    """Speak with one client until it goes. phases: its runs, each with where it is now."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    protocol = ServerProtocol()
    protocol.receive_data(_as_it_came(request))
    for asked in protocol.events_received():
        if isinstance(asked, Handshake):
            protocol.send_response(protocol.accept(asked))
    connection.settimeout(TURN_SECONDS)
    sent_phases: set[tuple[str, str]] = set()
    protocol.send_text(_message("status", status={"exec_info": {"queue_remaining": 0}}))
    while _exchange(protocol, connection):
        for run, phase in phases():
            if (run.id, phase) not in sent_phases:
                sent_phases.add((run.id, phase))
                for message in _news(run, phase):
                    protocol.send_text(message)
    return _Hijacked()


def _news(run: Run, phase: str) -> Iterator[bytes]:
    if phase == "running":
        yield _message("execution_start", prompt_id=run.id)
        yield _message("executing", node=run.about["node"], prompt_id=run.id)
        yield _message("progress", value=1, max=20, prompt_id=run.id, node=run.about["node"])
    elif phase != "queued":
        yield _message("executing", node=None, prompt_id=run.id)


def _message(kind: str, **data: Any) -> bytes:
    return json.dumps({"type": kind, "data": data}).encode()


def _as_it_came(request: Request) -> bytes:
    lines = [f"GET {request.full_path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _exchange(protocol: ServerProtocol, connection: socket.socket) -> bool:
    """Send what is ready and take what comes in one turn; False when the client has gone."""
    try:
        for data in protocol.data_to_send():
            connection.sendall(data)
        received = connection.recv(65536)
    except TimeoutError:
        return True
    except OSError:
        return False
    if received:
        protocol.receive_data(received)
    else:
        protocol.receive_eof()
    return protocol.state is State.OPEN
