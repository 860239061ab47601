"""connexion's FlaskApp with the per-request work of its last two layers done once at startup.

Internals of connexion 3.3.0 that are overridden here, and why:
- FlaskApp.__init__ hard-codes FlaskASGIApp; repeated with our subclass, as there is no parameter.
- FlaskASGIApp.app and asgi_app are Flask and a2wsgi; replaced by spec.bridge's.
- FlaskASGIApp.add_api hard-codes FlaskApi; repeated with our subclass.
- FlaskApi.make_operation wraps the function in decorators that inspect its signature again for
  every request; replaced by OperationView, which calls it with arguments made by validation.
- FlaskApi._add_operation_internal adds a Flask route; views are found by operationId instead.
- ConnexionMiddleware._build_middleware_stack runs on the first request; called at startup, so that
  a contract that cannot be served stops the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import flask
import orjson
from connexion.apps.abstract import AbstractApp
from connexion.apps.flask import FlaskApi, FlaskApp, FlaskASGIApp
from connexion.middleware import ConnexionMiddleware
from connexion.operations import AbstractOperation
from starlette.types import Scope

from logs import EXCHANGE
from spec.functions import CLIENT_IP, HEADERS, RAW_BODY, accepted
from spec.loading import openapi_31_accepted
from spec.operations import snake_case
from spec.responses import ResponseValidators
from web import forms
from web.bodies import ARGUMENTS, RAW
from web.bridge import Bridge, Response, View
from web.lanes import Lane, NoLane


class ContractApp(FlaskApp):
    """A FlaskApp that serves one contract; `options` are FlaskApp's own."""

    _middleware_app: ContractASGIApp

    def __init__(
        self,
        import_name: str,
        *,
        responses: ResponseValidators,
        lanes: Mapping[str, Lane | NoLane],
        **options: Any,
    ) -> None:
        self._middleware_app = ContractASGIApp(import_name, responses=responses, lanes=lanes)
        AbstractApp.__init__(self, import_name, lifespan=self._lifespan, **options)
        self.app = self._middleware_app.app

    def serve(self, contract: Mapping[str, Any], **options: Any) -> None:
        """Register `contract` at its own paths and build the whole stack now.

        `base_path` is empty since the contract's paths are already complete: connexion would put
        the path of `servers` before each of them.
        """
        with openapi_31_accepted():
            self.add_api(dict(contract), base_path="", **options)
        stack = self.middleware._build_middleware_stack()
        self.middleware.app, self.middleware.middleware_stack = stack

    @asynccontextmanager
    async def _lifespan(self, _: ConnexionMiddleware) -> AsyncIterator[None]:
        """Spans the server's run; when it stops, running handlers finish."""
        yield
        # In a thread: this loop must still deliver what the calls return until then.
        await asyncio.to_thread(self._middleware_app.asgi_app.close)


class ContractASGIApp(FlaskASGIApp):
    """The Flask application behind our bridge."""

    asgi_app: Bridge

    def __init__(
        self, import_name: str, *, responses: ResponseValidators, lanes: Mapping[str, Lane | NoLane]
    ) -> None:
        self.app = flask.Flask(import_name)
        self.asgi_app = Bridge(self.app, lanes=lanes)
        self._responses = responses

    def add_api(self, specification: Any, *, name: str | None = None, **options: Any) -> FlaskApi:
        """Register the contract's operations as views of the bridge."""
        return ContractApi(
            specification, responses=self._responses, views=self.asgi_app.views, **options
        )


class ContractApi(FlaskApi):
    """Creates an OperationView for each operation of the contract."""

    def __init__(
        self,
        specification: Any,
        *,
        responses: ResponseValidators,
        views: dict[str, View],
        **options: Any,
    ) -> None:
        self._responses = responses
        self._views = views
        super().__init__(specification, **options)

    def make_operation(self, operation: AbstractOperation) -> OperationView:
        self._responses.add(operation)
        return OperationView(operation, self._responses)

    def _add_operation_internal(
        self, method: str, path: str, operation: OperationView, name: str | None = None
    ) -> None:
        self._views[operation.operation_id] = operation


class OperationView:
    """Calls the function of one operation and turns its return value into a response.

    The function returns `(data, status)` or `(data, status, headers)`; `data` is JSON-ready and is
    checked against the contract before it leaves.
    """

    def __init__(self, operation: AbstractOperation, responses: ResponseValidators) -> None:
        self.operation_id: str = operation.operation_id
        self._function = operation.function
        self._responses = responses
        wanted = accepted(operation.function)
        self._gives_raw_body = RAW_BODY in wanted
        self._gives_headers = HEADERS in wanted
        self._gives_client_ip = CLIENT_IP in wanted
        # A function that takes the raw input need not name its parsed parts.
        given = {"body", *(snake_case(each["name"]) for each in operation.parameters)}
        self._unnamed = given - wanted

    def __call__(self, scope: Scope) -> Response:
        """One response; exceptions of the function pass through."""
        context = scope["extensions"]["connexion_context"]
        arguments = context[ARGUMENTS]
        for name in self._unnamed:
            arguments.pop(name, None)
        if self._gives_raw_body:
            arguments[RAW_BODY] = context[RAW]
        if self._gives_headers:
            arguments[HEADERS] = _headers(scope["headers"])
        if self._gives_client_ip:
            arguments[CLIENT_IP] = scope["client"][0] if scope.get("client") else None
        try:
            data, status, *rest = self._function(**arguments)
        finally:
            forms.close(context)
        self._responses.require(self.operation_id, status, data)
        if status >= 400:  # a refusal stored with its Idempotency-Key
            scope[EXCHANGE].code = data.get("code")
        body = b"" if data is None and status == 204 else orjson.dumps(data)
        headers = [JSON_TYPE, (b"content-length", b"%d" % len(body))]
        if rest:
            headers += _encoded(rest[0].items())
        return Response(status, headers, body)


JSON_TYPE = (b"content-type", b"application/json")


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Request headers by lower-case name; repeated ones are joined as RFC 9110 says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
