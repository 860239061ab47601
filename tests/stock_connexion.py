"""The stub functions of tests.stubs behind stock connexion, to compare our server with.

It uses connexion's own decorators, validators and bridge. Headers, which connexion passes to no
function, are read by the functions themselves.
`gunicorn 'tests.stock_connexion:create()'` serves it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import connexion
import flask
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.resolver import Resolver
from werkzeug.datastructures import FileStorage

import settings
from errors import ApiError
from spec import CONTRACT
from spec.functions import HEADERS, RAW_BODY, FilePart, Function, accepted
from spec.operations import snake_case
from tests import stubs


def create() -> connexion.FlaskApp:
    """The application with its whole middleware stack, as each layer loads the contract."""
    functions = {name: _adapt(function) for name, function in stubs.table().items()}
    application = connexion.FlaskApp(__name__)
    application.add_error_handler(ApiError, _refusal)
    application.add_api(
        _contract(),
        base_path="",
        resolver=Resolver(lambda operation_id: functions[snake_case(operation_id)]),
        pythonic_params=True,
        validate_responses=True,
    )
    return application


def verify(key: str, required_scopes: Any = None) -> dict[str, Any] | None:
    """connexion's own way to check an X-API-Key."""
    return {"sub": "bot"} if key in settings.load().server_api_key else None


def _refusal(request: ConnexionRequest, error: ApiError) -> ConnexionResponse:
    return ConnexionResponse(error.status, headers=error.headers, body=json.dumps(error.as_dict()))


def _contract() -> dict[str, Any]:
    contract = _as_openapi_30()
    for scheme in contract["components"]["securitySchemes"].values():
        scheme["x-apikeyInfoFunc"] = f"{__name__}.verify"
    return contract


def _as_openapi_30() -> dict[str, Any]:
    """A copy that connexion 3.3.0 accepts, without what only 3.1 has.

    That is the licence's identifier, the webhooks, and an exclusiveMinimum that is a number:
    connexion's validators would ignore it.
    """
    contract: dict[str, Any] = _copy(CONTRACT)
    del contract["info"]["license"], contract["webhooks"]
    return contract | {"openapi": "3.0.3"}


def _copy(node: Any) -> Any:
    if isinstance(node, list):
        return [_copy(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _copy(value)
        for key, value in node.items()
        if not (key == "exclusiveMinimum" and isinstance(value, int | float))
    }


def _adapt(function: Function) -> Function:
    """A view that calls `function` with connexion's arguments; missing ones are None."""
    wanted = accepted(function)

    def view(**given: Any) -> Any:
        arguments = {name: _convert(value) for name, value in given.items()}
        return function(**dict.fromkeys(wanted) | arguments | _read_request(wanted))

    view.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return view


def _convert(value: Any) -> Any:
    if not isinstance(value, FileStorage):
        return value
    size = value.stream.seek(0, 2)
    value.stream.seek(0)
    return FilePart(value.name or "", value.filename or "", "", cast(BinaryIO, value.stream), size)


def _read_request(wanted: frozenset[str]) -> dict[str, Any]:
    request = flask.request
    values: dict[str, Callable[[], Any]] = {
        "idempotency_key": lambda: request.headers.get("Idempotency-Key"),
        RAW_BODY: request.get_data,
        HEADERS: lambda: {name.lower(): value for name, value in request.headers.items()},
    }
    return {name: read() for name, read in values.items() if name in wanted}
