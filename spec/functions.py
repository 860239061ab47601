"""Maps operations to their functions, checked against the contract before anything starts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO, TypeAlias

from connexion.exceptions import ResolverError
from connexion.operations import AbstractOperation
from connexion.resolver import Resolution, Resolver

from spec.operations import JSON, Operation, snake_case

# What a function returns: data ready for JSON, or nothing, the status and perhaps headers.
Data: TypeAlias = dict[str, Any] | list[dict[str, Any]] | None
Reply: TypeAlias = tuple[Data, int] | tuple[Data, int, dict[str, str]]
Function = Callable[..., Any]

# Arguments a function may take besides the contract's own parameters.
RAW_BODY = "raw_body"
HEADERS = "headers"
CLIENT_IP = "client_ip"


@dataclass
class FilePart:
    """A file that a function receives; `filename` and `content_type` are only claims.

    size: in bytes.
    """

    name: str
    filename: str
    content_type: str
    file: BinaryIO
    size: int = 0


class ContractError(Exception):
    """Contract and handlers differ; the message names every difference at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"The handlers do not match the contract:\n{lines}")
        self.problems = tuple(problems)


class FunctionResolver(Resolver):
    """Gives connexion the function of an operationId from a table built and checked beforehand."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        self._functions = functions

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """The function of `operation`; ResolverError stops the startup."""
        function = self._functions.get(snake_case(operation.operation_id or ""))
        if function is None:
            raise ResolverError(f"no function for operationId {operation.operation_id!r}")
        return Resolution(function, operation.operation_id)


def load(operations: Sequence[Operation], package: str = "handlers") -> dict[str, Function]:
    """Public functions of the modules `package`.<tag>; ContractError when they do not fit.

    Anything those modules define without a leading underscore counts as an operation, so a
    function renamed only in the contract, or left behind, is found at startup.
    """
    functions: dict[str, Function] = {}
    problems: list[str] = []
    for name in dict.fromkeys(operation.module_name for operation in operations):
        module = _import(f"{package}.{name}")
        expected = {each.function_name for each in operations if each.module_name == name}
        found = _public_functions(module) if module else {}
        problems += [
            f"{package}/{name}.py: {surplus}() has no operation with tag {name!r} in the contract"
            for surplus in found.keys() - expected
        ]
        functions |= {key: found[key] for key in found.keys() & expected}
    problems += check(operations, functions)
    if problems:
        raise ContractError(sorted(problems))
    return functions


def check(operations: Sequence[Operation], functions: Mapping[str, Function]) -> list[str]:
    """Every difference between the contract and a table of functions, one line each."""
    problems: list[str] = []
    seen: set[str] = set()
    for operation in operations:
        if operation.operation_id in seen:
            problems.append(f"contract: operationId {operation.operation_id} is used twice")
        seen.add(operation.operation_id)
        function = functions.get(operation.function_name)
        if function is None:
            problems.append(
                f"handlers/{operation.module_name}.py: {operation.function_name}() is missing "
                f"({operation.method} {operation.path})"
            )
        else:
            problems += _signature_problems(operation, function)
    known = {operation.function_name for operation in operations}
    problems += [f"{name}() has no operation in the contract" for name in functions.keys() - known]
    return problems


def accepted(function: Function) -> frozenset[str]:
    """Names of the arguments `function` can be called with."""
    return frozenset(inspect.signature(function).parameters)


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # the module exists, something it imports does not
        return None


def _public_functions(module: ModuleType) -> dict[str, Function]:
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


def _signature_problems(operation: Operation, function: Function) -> Iterator[str]:
    where = f"handlers/{operation.module_name}.py: {operation.function_name}()"
    if inspect.iscoroutinefunction(function):
        yield f"{where} is async; handlers run in threads"
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    if kinds - {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
        yield f"{where} must name its parameters: no *args, **kwargs or positional-only ones"
        return
    names = accepted(function)
    for name in sorted(operation.arguments - names - _replaced(operation, names)):
        yield f"{where} does not take {name!r}, which the contract lets clients send"
    for name in sorted(names - operation.arguments - _extras(operation)):
        yield f"{where} takes {name!r}, which the contract does not have"


def _extras(operation: Operation) -> frozenset[str]:
    extras = {HEADERS, CLIENT_IP}
    return frozenset(extras | {RAW_BODY} if JSON in operation.media_types else extras)


def _replaced(operation: Operation, names: frozenset[str]) -> frozenset[str]:
    """Arguments that a function need not name because it takes the same input in raw form."""
    replaced: set[str] = set()
    if RAW_BODY in names:
        replaced.add("body")
    if HEADERS in names:
        replaced |= {each.argument for each in operation.parameters if each.location == "header"}
    return frozenset(replaced)
