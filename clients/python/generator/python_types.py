"""Schemas as types of Python: annotations, and the expressions that read and write their JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from generator.contract import Contract, Schema, pascal

# Properties whose name says nothing without that of their owner.
GENERIC = {"type", "status", "reason", "code"}


class Unknown(Exception):
    """The contract uses something that this generator does not know."""


@dataclass(frozen=True)
class PythonType:
    """`read` and `write` are templates around `{}`; `written` is what an argument may be."""

    annotation: str
    read: str = "{}"
    write: str = "{}"
    written: str = ""

    @property
    def argument(self) -> str:
        """The annotation of an argument, often wider than that of an answer."""
        return self.written or self.annotation

    @property
    def is_plain(self) -> bool:
        """Whether its JSON is its value."""
        return self.read == "{}"


AMOUNT = PythonType("Decimal", "amount({})", "exact({})", "Decimal | int")
MOMENT = PythonType("datetime", "moment({})", "{}.isoformat()")
SCALARS = {
    ("string", None): PythonType("str"),
    ("string", "date-time"): MOMENT,
    ("string", "binary"): PythonType("Upload"),
    ("integer", None): PythonType("int"),
    ("boolean", None): PythonType("bool"),
    ("number", None): PythonType("float", "float({})"),
    ("number", "decimal"): AMOUNT,
}
ANYTHING = PythonType("dict[str, Any]", "dict({})", "dict({})", "Mapping[str, Any]")


@dataclass
class Types:
    """All types the contract needs, found while its schemas are translated."""

    contract: Contract
    literals: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    models: dict[str, Schema] = field(default_factory=dict)
    unions: dict[str, Schema] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    def of(self, schema: Schema, name: str, owner: str = "", *, sent: bool = False) -> PythonType:
        """The type of a property, parameter or answer of this name; `sent` if requests have it."""
        if reference := schema.get("$ref"):
            return self._named(reference.rpartition("/")[2], sent=sent)
        if "allOf" in schema:
            return self._narrowed(schema, name, owner, sent=sent)
        if "oneOf" in schema:
            return self._union(_label(name, owner), schema)
        if "enum" in schema or "const" in schema:
            values = tuple(schema.get("enum", ())) or (schema["const"],)
            return PythonType(self._literal(name, values, owner=owner))
        return self._structure(schema, name, owner, sent=sent)

    def _structure(self, schema: Schema, name: str, owner: str, *, sent: bool) -> PythonType:
        kind, form = schema.get("type", ""), schema.get("format")
        if kind == "array":
            singular = name.removesuffix("s") if not name.endswith("ss") else name
            return _array(self.of(schema["items"], singular, owner, sent=sent))
        if kind == "object" and schema.get("properties"):
            return self._model(f"{owner}{pascal(name)}", schema, sent=sent)
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return _mapping(self.of(schema["additionalProperties"], name, owner, sent=sent))
        if kind == "object":
            return ANYTHING
        found = SCALARS.get((kind, form)) or SCALARS.get((kind, None))
        if found is None:
            raise Unknown(f"{owner}.{name}: {schema}")
        return found

    def _named(self, name: str, *, sent: bool) -> PythonType:
        schema = self.contract.schemas[name]
        if "enum" in schema:
            return PythonType(self._literal(name, tuple(schema["enum"])))
        if "oneOf" in schema:
            return self._union(name, schema)
        if schema.get("properties") or "allOf" in schema:
            return self._model(name, schema, sent=sent)
        return self.of(schema, name, sent=sent)

    def _narrowed(self, schema: Schema, name: str, owner: str, *, sent: bool) -> PythonType:
        """allOf: a component, and further rules for it that only the server needs to know."""
        first = schema["allOf"][0]
        if "$ref" not in first:
            raise Unknown(f"{owner}.{name}: {schema}")
        return self.of(first, name, owner, sent=sent)

    def _model(self, name: str, schema: Schema, *, sent: bool) -> PythonType:
        known, more = name in self.models, sent and name not in self.written
        self.models[name] = merged = self.merged(schema)
        if sent:
            self.written.add(name)
        if not known or more:
            for each, of in merged["properties"].items():
                self.of(of, each, name, sent=sent)
        return PythonType(name, f"{name}.from_json({{}})", "{}.to_json()")

    def merged(self, schema: Schema) -> Schema:
        """An object with the properties of all parts of its allOf."""
        if "allOf" not in schema:
            return schema
        properties: dict[str, Any] = {}
        required: list[str] = []
        for part in (*map(self.contract.resolved, schema["allOf"]), schema):
            inner = self.merged(
                {k: v for k, v in part.items() if k != "allOf" or part is not schema}
            )
            properties |= inner.get("properties", {})
            required += inner.get("required", [])
        return {**schema, "properties": properties, "required": required}

    def _union(self, name: str, schema: Schema) -> PythonType:
        self.unions[name] = schema
        for each in schema["oneOf"]:
            self.of(each, name)
        return PythonType(name, f"read_{name.lower()}({{}})")

    def _literal(self, name: str, values: tuple[Any, ...], *, owner: str | None = None) -> str:
        """Its alias. `owner`: of an enum without a name of its own; the same values share one."""
        if len(values) == 1:
            return f"Literal[{values[0]!r}]"
        if owner is not None:
            same = (known for known, of in self.literals.items() if of == values)
            name = next(same, _label(name, owner))
            if self.literals.get(name, values) != values:
                name = f"{owner}{pascal(name)}"
        if self.literals.setdefault(name, values) != values:
            raise Unknown(f"two enums are called {name}: {values}, {self.literals[name]}")
        return name


def _label(name: str, owner: str) -> str:
    return f"{owner}{pascal(name)}" if name in GENERIC else pascal(name)


def _array(inner: PythonType) -> PythonType:
    annotation, argument = f"list[{inner.annotation}]", f"Sequence[{inner.argument}]"
    if inner.is_plain:
        return PythonType(annotation, "list({})", "list({})", argument)
    read, write = inner.read.format("each"), inner.write.format("each")
    return PythonType(
        annotation, f"[{read} for each in {{}}]", f"[{write} for each in {{}}]", argument
    )


def _mapping(inner: PythonType) -> PythonType:
    annotation, argument = f"dict[str, {inner.annotation}]", f"Mapping[str, {inner.argument}]"
    if inner.is_plain:
        return PythonType(annotation, "dict({})", "dict({})", argument)
    read, write = inner.read.format("each"), inner.write.format("each")
    pairs = "{{{{key: {} for key, each in {{}}.items()}}}}"
    return PythonType(annotation, pairs.format(read), pairs.format(write), argument)
