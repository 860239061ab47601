"""Operations of the contract: the function of each, and the arguments it is called with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "put", "post", "patch", "delete")
JSON = "application/json"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Parameter:
    """A path, query or header parameter; `argument` is its name in Python."""

    name: str
    location: str
    required: bool
    schema: Mapping[str, Any]

    @property
    def argument(self) -> str:
        return snake_case(self.name)


@dataclass(frozen=True)
class Operation:
    """One method of one path, with all references in its inputs resolved."""

    operation_id: str
    method: str
    path: str
    tag: str
    parameters: tuple[Parameter, ...]
    media_types: tuple[str, ...]
    file_fields: tuple[str, ...]

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


def _operations(contract: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in contract["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            described = item[method]
            listed = [*item.get("parameters", []), *described.get("parameters", [])]
            content = resolve(contract, described.get("requestBody", {})).get("content", {})
            yield Operation(
                operation_id=described["operationId"],
                method=method.upper(),
                path=path,
                tag=described["tags"][0],
                parameters=tuple(_parameter(contract, each) for each in listed),
                media_types=tuple(content),
                file_fields=tuple(_file_fields(contract, content)),
            )


def _parameter(contract: Mapping[str, Any], node: Mapping[str, Any]) -> Parameter:
    found = resolve(contract, node)
    return Parameter(
        name=found["name"],
        location=found["in"],
        required=found.get("required", False),
        schema=resolve(contract, found["schema"]),
    )


def _file_fields(contract: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    schema = resolve(contract, content.get(MULTIPART, {}).get("schema", {}))
    for name, described in schema.get("properties", {}).items():
        if is_file(resolve(contract, described)):
            yield name


def is_file(schema: Mapping[str, Any]) -> bool:
    """Whether a form field holds bytes: OpenAPI 3.0's `format: binary` or 3.1's media type."""
    return schema.get("format") == "binary" or "contentMediaType" in schema
