"""The span of a request. Only in the stack of layers while traces are sent anywhere.

It is inside of security: who has a key may have a request traced, a stranger may not.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from errors import ApiError
from telemetry import logs, tracing
from telemetry.logs import EXCHANGE, Exchange


class Traces:
    """One span around all that comes after the key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange: Exchange = scope[EXCHANGE]
        asked = _traceparent(scope) if exchange.key is not None else ""
        name = f"{scope['method']} {exchange.template}"
        with tracing.root(name, _about(scope, exchange), parent=asked, server=True) as span:
            if span is None:
                await self._app(scope, receive, send)
                return
            logs.note(trace_id=(tracing.traceparent() or "").split("-")[1])
            try:
                await self._app(scope, receive, send)
                span.set_attribute("http.response.status_code", exchange.status)
            except ApiError as refusal:
                span.set_attribute("http.response.status_code", refusal.status)
                span.set_attribute("error.type", refusal.code)
                raise
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise


def _traceparent(scope: Scope) -> str:
    """The caller's, if there is exactly one."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    return given[0].decode("latin-1") if len(given) == 1 else ""


def _about(scope: Scope, exchange: Exchange) -> dict[str, str]:
    return {
        "http.request.method": scope["method"],
        "http.route": exchange.template or "",
        "livephoto.operation": exchange.operation or "",
        "livephoto.request_id": logs.request_id.get() or "",
    }
