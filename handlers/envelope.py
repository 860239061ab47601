"""What is the same for every request: its id, its one log line, its headers, its last resort."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import ApiError
from handlers import problems
from logs import EXCHANGE, Exchange, request_id

log = logging.getLogger("access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Sent unless the answer has its own, as files and the contract's pages do.
_DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# nginx's number for a client that left before the answer; nothing is sent with it.
CLIENT_CLOSED_REQUEST = 499


class Envelope:
    """The outermost layer. Its log line holds no key, name, body, query or real path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
        token = request_id.set(identifier)
        exchange = scope[EXCHANGE] = Exchange()
        envelope = _Sealed(exchange, identifier, receive, send, head=scope["method"] == "HEAD")
        try:
            await self._app(scope, envelope.receive, envelope.send)
        except asyncio.CancelledError:
            exchange.status = exchange.status or CLIENT_CLOSED_REQUEST
            raise
        except Exception as error:
            await _last_resort(error, exchange, envelope.send)
        finally:
            _log(scope["method"], exchange, time.perf_counter() - started)
            request_id.reset(token)


class _Sealed:
    """receive and send of one request, counting bytes and completing headers."""

    __slots__ = ("_exchange", "_head", "_identifier", "_receive", "_send")

    def __init__(
        self, exchange: Exchange, identifier: bytes, receive: Receive, send: Send, *, head: bool
    ) -> None:
        self._exchange = exchange
        self._identifier = identifier
        self._receive = receive
        self._send = send
        self._head = head

    async def receive(self) -> Message:
        message = await self._receive()
        self._exchange.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            message = {**message, "headers": self._completed(message.get("headers", ()))}
        elif message["type"] == "http.response.body":
            if self._head:
                message = {**message, "body": b""}
            self._exchange.bytes_out += len(message.get("body", b""))
        await self._send(message)
'''+'' if False else ''
