"""From connexion's ASGI stack to the functions of the contract, in Flask's contexts.

FlaskApp comes with a2wsgi, which passes every chunk of a response between threads, has ten threads
that FlaskApp offers no option for, and lets requests queue without limit; behind it Flask would
look up again the route that the contract's routing has found. Responses of this API are small, so
each is produced whole in one call in one thread.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flask
import starlette.exceptions
import werkzeug.exceptions
from connexion.middleware.abstract import ROUTING_CONTEXT
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import NullSession
from starlette.types import Receive, Scope, Send

from web.bodies import RAW
from web.lanes import Lane, NoLane

# How long running calls may take at a stop; less than gunicorn's graceful_timeout, when it kills.
CLOSE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back to the caller."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


View = Callable[[Scope], Response]


class Bridge:
    """Runs the view of a request's operation in a thread of its lane.

    `lanes` has one for each operationId; those in different lanes never wait for each other.
    `views` is filled while the contract is registered.
    """

    def __init__(self, app: flask.Flask, *, lanes: Mapping[str, Lane | NoLane]) -> None:
        self.views: dict[str, View] = {}
        self._app = app
        self._lanes = lanes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; validation has left its arguments in the scope."""
        lane = self._lanes[scope["extensions"][ROUTING_CONTEXT]["operation_id"]]
        answer: Response = await lane.run(self._answer, scope)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.headers,
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    def close(self) -> None:
        """Accept no more calls, and give those running CLOSE_SECONDS to finish."""
        end = time.monotonic() + CLOSE_SECONDS
        lanes = set(self._lanes.values())
        for lane in lanes:
            lane.stop()
        for lane in lanes:
            lane.close(seconds=max(0.0, end - time.monotonic()))

    def _answer(self, scope: Scope) -> Response:
        # Set for this call alone, since a lane runs each call in its own context.
        _cv_app.set(AppContext(self._app))
        _cv_request.set(_RequestContext(self._app, scope))
        try:
            return self.views[scope["extensions"][ROUTING_CONTEXT]["operation_id"]](scope)
        except werkzeug.exceptions.HTTPException as error:  # flask.abort()
            raise starlette.exceptions.HTTPException(
                error.code or 500, detail=error.description or ""
            ) from error


class _RequestContext(RequestContext):
    """Creates `flask.request` on first use, as doing so costs a tenth of a short request.

    It has no rule, and no session from cookies: the contract has decided both.
    """

    def __init__(self, app: flask.Flask, scope: Scope) -> None:
        self.app = app
        self.url_adapter = None
        self.flashes = None
        self._scope = scope
        self._session = NullSession()
        self._after_request_functions = []
        self._cv_tokens = []

    @cached_property
    def request(self) -> flask.Request:  # type: ignore[override]
        """The request as WSGI would present it."""
        request = self.app.request_class(_environ(self._scope))
        request.json_module = self.app.json
        return request


def _environ(scope: Scope) -> dict[str, Any]:
    """What PEP 3333 requires: the view reads the scope; this is for `flask.request`."""
    server = scope.get("server") or ("localhost", 80)
    raw = scope["extensions"].get("connexion_context", {}).get(RAW, b"")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(len(raw)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(raw),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if name == b"content-type":
            environ["CONTENT_TYPE"] = value.decode("latin-1")
        elif name != b"content-length":
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
