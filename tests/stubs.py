"""A server with stub handlers, to test the layers between the socket and a handler.

Every stub answers with the contract's own example and says in `X-Seen` what it was called with.
`gunicorn 'tests.stubs:create()'` serves it.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import connexion.exceptions
import starlette.exceptions
from connexion.middleware import ConnexionMiddleware

import settings
from errors import ApiError
from handlers import ops
from spec import CONTRACT
from spec.functions import FilePart, Function
from spec.operations import Operation, operations_of, resolve
from web import app, rate_limits
from web.app import create_app

SLOW_USER = "00000000-0000-4000-8000-0000000000ff"
WINDOW_SECONDS = 2
SECRET = "a-secret-nobody-may-see"


def create() -> ConnexionMiddleware:
    """The stub application with the settings of the environment."""
    return create_app(settings.load(), operations=table())


def create_with_gap() -> ConnexionMiddleware:
    """The same without one function; it must refuse to start."""
    functions = table()
    del functions["tariffs_list"]
    return create_app(settings.load(), operations=functions)


def create_with_unreadable_parameters() -> ConnexionMiddleware:
    """The same with parameters that no layer can read; it must not start either."""

    def changed(operation: Operation) -> Operation:
        lists = (replace(each, schema={"type": "array"}) for each in operation.parameters)
        return replace(operation, parameters=tuple(lists))

    vars(app)["operations_of"] = lambda contract: tuple(map(changed, operations_of(contract)))
    return create()


def create_with_short_windows() -> ConnexionMiddleware:
    """The same with windows of WINDOW_SECONDS instead of minutes."""
    rate_limits.WINDOW_SECONDS = WINDOW_SECONDS
    return create()


def create_impatient() -> ConnexionMiddleware:
    """The same, giving running calls one second when it stops."""
    app.STOP_SECONDS = 1
    return create()


def table() -> dict[str, Function]:
    """A stub for every operation of the contract; some can be made to misbehave."""
    functions = {each.function_name: _stub(each) for each in operations_of(CONTRACT)}
    functions["users_get_by_id"] = _failing(functions["users_get_by_id"])
    functions["webhook_payments"] = webhook_payments
    functions["health_ready"] = health_ready
    return functions


def health_ready() -> Any:
    """Ready until the process is asked to stop."""
    data, status = example(_operation("healthReady"))
    return (data, 503) if ops.stopping.is_set() else (data, status)


def webhook_payments(provider: str, raw_body: bytes, headers: dict[str, str]) -> Any:
    """Echoes what a signature would be checked against."""
    seen = {"provider": provider, "raw": raw_body.decode("latin-1"), "headers": headers}
    data, status = example(_operation("webhookPayments"))
    return data, status, _seen(seen)


def example(operation: Operation) -> tuple[Any, int]:
    """The first example of the first success in the contract."""
    responses = CONTRACT["paths"][operation.path][operation.method.lower()]["responses"]
    status, response = next((s, resolve(CONTRACT, r)) for s, r in responses.items() if s < "300")
    content = response.get("content", {}).get("application/json")
    if content is None:
        return {}, int(status)
    examples = iter(content["examples"].values())
    return resolve(CONTRACT, next(examples))["value"], int(status)


def _operation(operation_id: str) -> Operation:
    return next(each for each in operations_of(CONTRACT) if each.operation_id == operation_id)


def _stub(operation: Operation) -> Function:
    answer = example(operation)

    def stub(**arguments: Any) -> Any:
        return *answer, _seen(dict(_shown(arguments)))

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
        for name in sorted(operation.arguments)
    ]
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return stub


def _seen(arguments: Any) -> dict[str, str]:
    text = json.dumps(arguments)
    return {"X-Seen": text} if len(text) < 5000 else {}


def _shown(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in arguments.items():
        yield name, _read_through(value) if isinstance(value, FilePart) else value


def _read_through(part: FilePart) -> dict[str, Any]:
    head = part.file.read(8)
    rest = sum(len(chunk) for chunk in iter(lambda: part.file.read(65536), b""))
    return {"size": part.size, "read": len(head) + rest, "head": head.hex()}


def _failing(stub: Function) -> Function:
    def users_get_by_id(user_id: str) -> Any:
        behave = BEHAVIOURS.get(user_id)
        return behave() if behave else stub(user_id=user_id)

    return users_get_by_id


def _raise(error: Exception) -> Callable[[], Any]:
    def behave() -> Any:
        raise error

    return behave


def _chained() -> Any:
    try:
        raise OSError(SECRET)
    except OSError as error:
        raise ApiError("storage_unavailable", retry_after=7) from error


def _user(**changes: Any) -> Callable[[], Any]:
    data, status = example(_operation("usersGetById"))
    return lambda: ({**data, **changes}, status)


def _slow() -> Any:
    """Leaves a file that says so, then waits until the gate file appears, at most a minute."""
    folder = settings.load().state_dir
    (folder / "begun").touch()
    deadline = time.monotonic() + 60
    while not (folder / "gate").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return example(_operation("usersGetById"))


BEHAVIOURS: dict[str, Callable[[], Any]] = {
    f"00000000-0000-4000-8000-{number:012x}": behave
    for number, behave in enumerate(
        (
            _raise(RuntimeError(SECRET)),
            _raise(ValueError(SECRET)),
            _raise(StopIteration(SECRET)),
            _raise(starlette.exceptions.HTTPException(503, SECRET)),
            _raise(connexion.exceptions.ProblemException(status=402, detail=SECRET)),
            _raise(ApiError("user_not_found", details={"userId": "is unknown"})),
            _chained,
            _user(telegramId=1),  # 7: not what the contract says
            lambda: ({"status": "odd"}, 299),  # 8: an undeclared status
            _user(createdAt=time),  # 9: not JSON
            lambda: None,  # 10: not even a tuple
        )
    )
} | {SLOW_USER: _slow}
