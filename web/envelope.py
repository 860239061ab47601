"""The same for every request: its id, its one log line, its headers, its last-resort answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import Iterable

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry import logs, metrics
from telemetry.logs import EXCHANGE, Exchange
from web import problems

log = logging.getLogger("access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Sent unless the response has its own, as files and the contract's pages do.
_DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# A client that is still sending when it is refused may see a reset instead of the response, and
# gunicorn cannot serve another request after a body that was not read. So the rest is read here,
# for all layers, within bounds: the larger ones are for callers whom a layer has let in, because of
# their key, or as it has begun to read. Beyond them the response says that the connection closes.
READ_ON = 1024 * 1024, 1  # bytes, seconds
READ_ON_FOR_GUESTS = 32 * 1024 * 1024, 5
_CLOSE = (b"connection", b"close")
# nginx's code for a client that left before the response; nothing is sent with it.
CLIENT_CLOSED_REQUEST = 499


class Traffic:
    """How many requests of a process are not answered yet."""

    in_progress = 0


class Envelope:
    """The outermost layer. Its log line holds no key, name, body, query or real path."""

    def __init__(self, app: ASGIApp, traffic: Traffic | None = None) -> None:
        self._app = app
        self._traffic = traffic or Traffic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; WebSockets are refused, lifespan is passed on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        identifier = _identifier(scope)
        token = logs.request_id.set(identifier)
        exchange = scope[EXCHANGE] = Exchange()
        known = logs.exchange.set(exchange)
        sealed = _Sealed(scope, identifier, receive, send)
        self._traffic.in_progress += 1
        try:
            await self._app(scope, sealed.receive, sealed.send)
        except asyncio.CancelledError:
            exchange.status = exchange.status or CLIENT_CLOSED_REQUEST
            raise
        except Exception as error:
            await _last_resort(error, exchange, sealed)
        finally:
            self._traffic.in_progress -= 1
            seconds = time.perf_counter() - started
            _log(scope["method"], exchange, seconds)
            if metrics.has_started():
                _count(scope["method"], exchange, seconds)
            logs.exchange.reset(known)
            logs.request_id.reset(token)


class _Sealed:
    """receive and send of one request: counts bytes, completes headers, reads the whole body."""

    __slots__ = (
        "_exchange",
        "_head",
        "_identifier",
        "_receive",
        "_send",
        "_unread",
        "_waits",
        "started",
    )

    def __init__(self, scope: Scope, identifier: str, receive: Receive, send: Send) -> None:
        self._exchange: Exchange = scope[EXCHANGE]
        self._head = scope["method"] == "HEAD"
        self._identifier = (b"x-request-id", identifier.encode("ascii"))
        self._receive = receive
        self._send = send
        self._unread, self._waits = _body(scope)
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._exchange.bytes_in += len(message.get("body", b""))
        self._unread = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._exchange.status = message["status"]
            headers = self._completed(message.get("headers", ()))
            if self._unread:
                await self._read_on()
            if self._unread:
                headers.append(_CLOSE)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            body = b"" if self._head else message.get("body", b"")
            self._exchange.bytes_out += len(body)
            message = {**message, "body": body}
        await self._send(message)

    async def _read_on(self) -> None:
        """Read the rest of a refused request, unless its client waits for permission to send it."""
        exchange = self._exchange
        if self._waits and not exchange.bytes_in:
            return
        let_in = exchange.key is not None or exchange.bytes_in
        size, seconds = READ_ON_FOR_GUESTS if let_in else READ_ON
        enough = exchange.bytes_in + size
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._unread and exchange.bytes_in < enough:
                    await self.receive()

    def _completed(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        complete = [*headers, self._identifier]
        names = {name for name, _ in complete}
        complete += [header for header in _DEFAULT_HEADERS if header[0] not in names]
        return complete


def _identifier(scope: Scope) -> str:
    """The caller's X-Request-ID if it is harmless, otherwise a new one.

    It is not a secret. uuid4() would ask the system for randomness and release the interpreter's
    lock for that: the loop would wait for the handlers' threads on every request.
    """
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{random.getrandbits(128):032x}"


def _body(scope: Scope) -> tuple[bool, bool]:
    """Whether the request has a body, and whether its client waits for 100 Continue to send it."""
    present = waits = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            present = present or value != b"0"
        elif name == b"transfer-encoding":
            present = True
        elif name == b"expect":
            waits = True
    return present, waits


async def _last_resort(error: Exception, exchange: Exchange, sealed: _Sealed) -> None:
    """Answer what no other layer did; after the first byte, all it can do is close."""
    refusal = problems.as_api_error(error)
    problems.report(error, refusal)
    exchange.code = refusal.code
    if sealed.started:
        raise error
    body = orjson.dumps(refusal.as_dict())
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(k.lower().encode(), v.encode()) for k, v in refusal.headers.items()]
    await sealed.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await sealed.send({"type": "http.response.body", "body": body})


def _log(method: str, exchange: Exchange, seconds: float) -> None:
    log.info(
        "request",
        extra={
            "method": method if method in _METHODS else "other",
            "path": exchange.template,
            "operation": exchange.operation,
            "status": exchange.status,
            "code": exchange.code,
            "ms": round(seconds * 1000, 2),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "key": exchange.key,
            **exchange.noted,
        },
    )


def _count(method: str, exchange: Exchange, seconds: float) -> None:
    operation = exchange.operation or "other"
    if method not in _METHODS:
        method = "other"
    metrics.http_requests.add(operation, method, str(exchange.status))
    metrics.http_request_seconds.observe(seconds, operation)
    if exchange.code is not None:
        metrics.http_refusals.add(operation, exchange.code)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
