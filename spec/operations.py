"""Operations of the contract: the function of each, and the arguments it is called with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "put", "post", "patch", "delete")
JSON = "application/json"
MULTIPART = "multipart/form-data"

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A path, query or header parameter; `argument` is its name in Python."""

    name: str
    location: str
    required: bool
    schema: Schema

    @property
    def argument(self) -> str:
        return snake_case(self.name)


@dataclass(frozen=True)
class Operation:
    """One method of one path, with all references resolved.

    bodies: schema by media type. responses: schema by status or `default`, None for no body.
    secured: whether a key is asked for.
    """

    operation_id: str
    method: str
    path: str
    tag: str
    secured: bool
    parameters: tuple[Parameter, ...]
    bodies: Mapping[str, Schema]
    requires_body: bool
    responses: Mapping[str, Schema | None]

    @property
    def media_types(self) -> tuple[str, ...]:
        """What a body may be."""
        return tuple(self.bodies)

    @property
    def file_fields(self) -> tuple[str, ...]:
        """Names of the form's fields that hold a file."""
        fields = self.bodies.get(MULTIPART, {}).get("properties", {})
        return tuple(name for name, described in fields.items() if is_file(described))

    @property
    def function_name(self) -> str:
        """The handler's name: operationId in snake_case."""
        return snake_case(self.operation_id)

    @property
    def module_name(self) -> str:
        """The handler's module: the first tag in lower case."""
        return snake_case(self.tag)

    @property
    def arguments(self) -> frozenset[str]:
        """What the handler must accept: everything the contract lets a client send."""
        names = {parameter.argument for parameter in self.parameters}
        if self.media_types:
            names |= {"body", *map(snake_case, self.file_fields)}
        return frozenset(names)


def snake_case(name: str) -> str:
    """`usersGetById` or `Idempotency-Key` in Python's spelling."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def operations_of(contract: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Every operation of `contract`, in its order."""
    return tuple(_operations(contract))


def resolve(contract: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` itself, or what its local `$ref` points to."""
    while "$ref" in node:
        target: Any = contract
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def inlined(contract: Mapping[str, Any], node: Any) -> Any:
    """`node` with every local `$ref` in it replaced by its target; what stands beside it is kept.

    A schema that contains itself has no such form: RecursionError, when the server starts.
    """
    if isinstance(node, list):
        return [inlined(contract, each) for each in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**beside, **resolve(contract, node)}
    return {key: inlined(contract, value) for key, value in node.items()}


def is_file(schema: Schema) -> bool:
    """Whether a form field holds bytes: OpenAPI 3.0's `format: binary` or 3.1's media type."""
    return schema.get("format") == "binary" or "contentMediaType" in schema


def _operations(contract: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in contract["paths"].items():
        for method in METHODS:
            if method in item:
                listed = [*item.get("parameters", []), *item[method].get("parameters", [])]
                yield _operation(
                    path, method, inlined(contract, item[method] | {"parameters": listed}), contract
                )


def _operation(
    path: str, method: str, described: Mapping[str, Any], contract: Mapping[str, Any]
) -> Operation:
    body = described.get("requestBody", {})
    responses = described.get("responses", {})
    return Operation(
        operation_id=described["operationId"],
        method=method.upper(),
        path=path,
        tag=described["tags"][0],
        secured=bool(described.get("security", contract.get("security"))),
        parameters=tuple(
            Parameter(each["name"], each["in"], each.get("required", False), each["schema"])
            for each in described["parameters"]
        ),
        bodies={kind: each["schema"] for kind, each in body.get("content", {}).items()},
        requires_body=body.get("required", False),
        responses={str(status): _json_schema(each) for status, each in responses.items()},
    )


def _json_schema(response: Mapping[str, Any]) -> Schema | None:
    schema: Schema | None = response.get("content", {}).get(JSON, {}).get("schema")
    return schema
