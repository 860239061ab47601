"""The innermost layer: calls the function of an operation and sends what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import Receive, Scope, Send

from spec.functions import CLIENT_IP, HEADERS, RAW_BODY, Function, accepted
from spec.operations import Operation
from spec.responses import ResponseValidators
from spec.waits import WAIT, NotYet
from telemetry.logs import EXCHANGE
from web.inputs import INPUTS
from web.lanes import Lane, NoLane
from web.waiting import Waiting

JSON_TYPE = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; those of this API are small."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class OperationView:
    """Calls one function in a thread of its lane and turns what it returns into a response.

    The function returns `(data, status)` or `(data, status, headers)`; `data` is JSON-ready and is
    checked against the contract before it leaves.
    """

    def __init__(
        self,
        operation: Operation,
        function: Function,
        lane: Lane | NoLane,
        responses: ResponseValidators,
        waiting: Waiting,
    ) -> None:
        self._operation_id = operation.operation_id
        self._function = function
        self._lane = lane
        self._waiting = waiting
        self._responses = responses
        wanted = accepted(function)
        self._gives_raw_body = RAW_BODY in wanted
        self._gives_headers = HEADERS in wanted
        self._gives_client_ip = CLIENT_IP in wanted
        # A function that takes the raw input need not name its parsed parts.
        self._unnamed = (operation.arguments | {"body"}) - wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose inputs validation has left in the scope.

        Exceptions of the function pass through.
        """
        patient = scope[INPUTS].arguments.get(WAIT)
        answer = await (self._patiently(scope) if patient else self._at_once(scope))
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _at_once(self, scope: Scope) -> Answer:
        answer: Answer = await self._lane.run(self._answer, scope)
        return answer

    async def _patiently(self, scope: Scope) -> Answer:
        """Call again when there is news, or when it has been waited for long enough."""
        try:
            async with self._waiting.turn:
                return await self._at_once(scope)
        except NotYet as not_yet:
            await self._waiting.until(not_yet.awaited, not_yet.seconds)
        scope[INPUTS].arguments[WAIT] = 0
        async with self._waiting.turn:
            return await self._at_once(scope)

    def _answer(self, scope: Scope) -> Answer:
        inputs = scope[INPUTS]
        try:
            data, status, *rest = self._function(**self._arguments(scope))
        finally:
            inputs.close()
        self._responses.require(self._operation_id, status, data)
        if status >= 400:  # a refusal stored with its Idempotency-Key
            scope[EXCHANGE].code = data.get("code")
        body = b"" if data is None and status == 204 else orjson.dumps(data)
        headers = [JSON_TYPE, (b"content-length", b"%d" % len(body))]
        if rest:
            headers += _encoded(rest[0].items())
        return Answer(status, headers, body)

    def _arguments(self, scope: Scope) -> dict[str, Any]:
        inputs = scope[INPUTS]
        arguments: dict[str, Any] = inputs.arguments
        for name in self._unnamed:
            arguments.pop(name, None)
        if self._gives_raw_body:
            arguments[RAW_BODY] = inputs.raw_body
        if self._gives_headers:
            arguments[HEADERS] = _headers(scope["headers"])
        if self._gives_client_ip:
            arguments[CLIENT_IP] = scope["client"][0] if scope.get("client") else None
        return arguments


class OperationViews(RoutedAPI[OperationView]):
    """Builds the views of the contract's operations; everything in them is made once."""

    def __init__(
        self,
        *arguments: Any,
        operations: Mapping[str, Operation],
        lanes: Mapping[str, Lane | NoLane],
        responses: ResponseValidators,
        waiting: Waiting,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._operations = operations
        self._lanes = lanes
        self._responses = responses
        self._waiting = waiting
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> OperationView:
        """The view of one operation, of which connexion has found the function."""
        name = operation.operation_id
        return OperationView(
            self._operations[name],
            operation.function,
            self._lanes[name],
            self._responses,
            self._waiting,
        )


class Views(RoutedMiddleware[OperationViews]):
    """connexion's way to a layer with one part for each operation, as the last in its list.

    operations, lanes, responses, waiting: options of add_api(); the first two by operationId.
    """

    api_cls = OperationViews


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Request headers by lower-case name; repeated ones are joined as RFC 9110 says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
