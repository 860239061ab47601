"""The contract read into what Python is made of: names, types, operations."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CONTRACT = Path(__file__).parents[3] / "spec" / "openapi.yaml"
PREFIX = "/api/v1"
METHODS = ("get", "post", "put", "patch", "delete")

Schema = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One argument of a method; `place` is path, query, header, or body."""

    name: str
    place: str
    schema: Schema
    required: bool
    description: str

    @property
    def argument(self) -> str:
        """Its name in Python."""
        return snake(self.name.removeprefix("X-"))


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    operation_id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    body: str  # "", "json", "form", or "open": an object of the caller's own
    answer: Schema | None
    takes_key: bool
    needs_api_key: bool

    @property
    def function(self) -> str:
        """Its name in Python, the same as that of the server's handler."""
        return snake(self.operation_id)

    @property
    def pages(self) -> bool:
        """Whether it is a list that goes on in further pages."""
        return any(each.name == "cursor" for each in self.parameters)


@dataclass
class Contract:
    """The document, and its references resolved."""

    document: dict[str, Any] = field(
        default_factory=lambda: yaml.safe_load(CONTRACT.read_text("utf-8"))
    )

    @property
    def schemas(self) -> dict[str, Schema]:
        """The named schemas, in the contract's order."""
        return dict(self.document["components"]["schemas"])

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a node says, or what its $ref leads to."""
        while reference := node.get("$ref"):
            node = self.document
            for step in reference.removeprefix("#/").split("/"):
                node = node[step.replace("~1", "/").replace("~0", "~")]
        return node

    def operations(self) -> Iterator[Operation]:
        """Every operation, in the contract's order."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield self._operation(path, method, item)

    def codes(self) -> Iterator[tuple[int, str, str]]:
        """Status, code and meaning of every refusal, from the table in `Error.code`."""
        text = self.schemas["Error"]["properties"]["code"]["description"]
        for status, code, meaning in re.findall(r"^\| (\d+) \| `(\w+)` \| (.+?) \|$", text, re.M):
            yield int(status), code, meaning

    def _operation(self, path: str, method: str, item: dict[str, Any]) -> Operation:
        node = item[method]
        declared = [
            self.resolved(each)
            for each in (*item.get("parameters", ()), *node.get("parameters", ()))
        ]
        names = [each["name"] for each in declared]
        kind, body = self._body(node)
        parameters = [
            Parameter(
                each["name"],
                each["in"],
                each["schema"],
                each.get("required", False),
                each.get("description", ""),
            )
            for each in declared
            if each["name"] != "Idempotency-Key"
        ]
        return Operation(
            operation_id=node["operationId"],
            method=method.upper(),
            path=path.removeprefix(PREFIX),
            summary=node["summary"],
            description=node.get("description", ""),
            parameters=(*parameters, *body),
            body=kind,
            answer=self._answer(node),
            takes_key="Idempotency-Key" in names,
            needs_api_key=node.get("security", self.document["security"]) != [],
        )

    def _body(self, node: dict[str, Any]) -> tuple[str, list[Parameter]]:
        if "requestBody" not in node:
            return "", []
        content = self.resolved(node["requestBody"])["content"]
        media, schema = next((name, each["schema"]) for name, each in content.items())
        schema = self.resolved(schema)
        if "properties" not in schema:
            return "open", [Parameter("body", "body", schema, True, schema.get("description", ""))]
        required = schema.get("required", [])
        fields = [
            Parameter(
                name, "body", each, name in required, self.resolved(each).get("description", "")
            )
            for name, each in schema["properties"].items()
        ]
        return ("form" if media.startswith("multipart/") else "json"), fields

    def _answer(self, node: dict[str, Any]) -> Schema | None:
        for status, response in node["responses"].items():
            content = self.resolved(response).get("content", {})
            if str(status).startswith("2") and "application/json" in content:
                schema: Schema = content["application/json"]["schema"]
                return schema
        return None


def snake(name: str) -> str:
    """`userId` and `User-Id` as `user_id`; a Python keyword gets an underscore."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("-", "_"))
    return words.lower() + ("_" if keyword.iskeyword(words.lower()) else "")


def pascal(name: str) -> str:
    """`serviceType` and `job_not_found` as `ServiceType` and `JobNotFound`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[_\W]+", name))
