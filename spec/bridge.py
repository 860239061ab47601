"""From connexion's ASGI stack to Flask: one thread hop a request, a bounded number of them.

FlaskApp comes with a2wsgi, which hands every chunk of an answer between threads, has ten threads
that FlaskApp offers no option for, and lets requests queue without end. Answers of this API are
small, so they are made whole in one call in one thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.types import Receive, Scope, Send

from errors import ApiError
from spec.bodies import RAW

# Requests that may wait for a thread, for each thread: about as long as a bot cares to wait.
QUEUE_PER_THREAD = 8
# Probes have threads of their own: an overloaded server is alive and must be able to say so.
PROBE_THREADS = 2

WSGIApp = Callable[..., Any]

# Set at SIGTERM, before the listener closes: readiness answers 503 from then on.
stopping = threading.Event()


class Bridge:
    """Runs a WSGI application for ASGI requests in `threads` threads.

    At once `service_unavailable` with Retry-After when QUEUE_PER_THREAD requests for each thread
    are waiting already. `probes` are the operationIds that never wait behind the others.
    """

    def __init__(self, wsgi_app: WSGIApp, *, threads: int, probes: Collection[str] = ()) -> None:
        self._wsgi_app = wsgi_app
        self._probes = frozenset(probes)
        self._main = _Lane("handler", threads)
        self._side = _Lane("probe", PROBE_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the body was read by validation and is passed on as it was."""
        extensions = scope["extensions"]
        raw = extensions.get("connexion_context", {}).get(RAW, b"")
        environ = _environ(scope, raw)
        is_probe = extensions[ROUTING_CONTEXT]["operation_id"] in self._probes
        lane = self._side if is_probe else self._main
        context = contextvars.copy_context()
        future = lane.submit(context.run, _call, self._wsgi_app, environ)
        status, headers, body = await asyncio.wrap_future(future)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Let running calls end and take no more."""
        self._main.close()
        self._side.close()


class _Lane:
    """A thread pool that refuses instead of queueing without end."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(threads * (1 + QUEUE_PER_THREAD))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if not self._places.acquire(blocking=False):
            raise ApiError("service_unavailable", "Too many requests are waiting", retry_after=1)
        future = self._pool.submit(function, *arguments)
        # Not in a `finally` of the coroutine: it can be cancelled while the thread still works.
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: Future[Any]) -> None:
        self._places.release()


def _environ(scope: Scope, raw: bytes) -> dict[str, Any]:
    """What PEP 3333 asks for, and the ASGI scope, where the operation finds its arguments."""
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "asgi.scope": scope,
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


def _call(
    wsgi_app: WSGIApp, environ: dict[str, Any]
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    started: list[tuple[int, list[tuple[bytes, bytes]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        encoded = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
        started[:] = [(int(status[:3]), encoded)]

    try:
        chunks = wsgi_app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except StopIteration as error:
        # A future refuses to hold a StopIteration, and whoever awaits it would wait for ever.
        raise RuntimeError("a handler let StopIteration through") from error
    ((status, headers),) = started
    return status, headers, body
