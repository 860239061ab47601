"""A function finds Flask's request and g as a view does, each call its own."""

from __future__ import annotations

import asyncio
from typing import Any

import flask
import orjson
from connexion.middleware.abstract import ROUTING_CONTEXT

from web.bodies import RAW
from web.bridge import Bridge, Response
from web.lanes import Lane

APP = flask.Flask(__name__)


def _seen(_: Any) -> Response:
    asked = flask.request
    flask.g.calls = flask.g.get("calls", 0) + 1
    seen = {
        "app": flask.current_app.name,
        "calls": flask.g.calls,
        "method": asked.method,
        "path": asked.path,
        "query": asked.args.to_dict(),
        "body": asked.json,
        "key": asked.headers["Idempotency-Key"],
        "from": asked.remote_addr,
        "session": dict(flask.session),
        "rule": asked.url_rule,
        "same": flask.request.environ is asked.environ,
    }
    return Response(200, [], orjson.dumps(seen))


def _scope(path: str, key: str) -> dict[str, Any]:
    extensions = {
        ROUTING_CONTEXT: {"operation_id": "seen"},
        "connexion_context": {RAW: b'{"name": "\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0"}'},
    }
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "query_string": b"limit=5",
        "headers": [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())],
        "client": ("192.0.2.7", 4711),
        "extensions": extensions,
    }


def _answers(*scopes: dict[str, Any]) -> list[dict[str, Any]]:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read by the layers above")

    async def ask(bridge: Bridge, scope: dict[str, Any]) -> dict[str, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await bridge(scope, receive, send)
        answer: dict[str, Any] = orjson.loads(sent[1]["body"])
        return answer

    async def play() -> list[dict[str, Any]]:
        bridge = Bridge(APP, lanes={"seen": Lane("test", 1)})
        bridge.views["seen"] = _seen
        try:
            return [await ask(bridge, scope) for scope in scopes]
        finally:
            await asyncio.to_thread(bridge.close)

    return asyncio.run(play())


def test_each_call_has_flask_s_request_and_a_g_of_its_own() -> None:
    first, second = _answers(_scope("/api/v1/имя", "one"), _scope("/api/v1/two", "two"))
    assert first == {
        "app": APP.name,
        "calls": 1,
        "method": "POST",
        "path": "/api/v1/имя",
        "query": {"limit": "5"},
        "body": {"name": "Анна"},
        "key": "one",
        "from": "192.0.2.7",
        "session": {},
        "rule": None,
        "same": True,
    }
    assert second == first | {"path": "/api/v1/two", "key": "two"}


def test_outside_a_call_there_is_no_request() -> None:
    _answers(_scope("/api/v1/one", "one"))
    assert not flask.has_request_context() and not flask.has_app_context()
