"""`generated/models.py`: one frozen dataclass for each object of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.contract import Schema, snake
from generator.layout import HEADER, docstring
from generator.python_types import PythonType, Types, Unknown

DOCSTRING = '"""The objects of the contract. An optional field that was left out is None."""\n'
IMPORTS = """
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from livephoto_client.json_values import JsonObject, amount, exact, moment, present
"""


def models_module(types: Types) -> str:
    """All types that were found; call it when all operations have been translated."""
    parts = [HEADER + DOCSTRING, IMPORTS]
    parts += [
        f"{name} = Literal[{', '.join(map(repr, values))}]"
        for name, values in types.literals.items()
    ]
    parts += [text for name in types.models for text in _model(types, name)]
    parts += [_reader(types, name, schema) for name, schema in types.unions.items()]
    return "\n".join(parts) + "\n"


def _model(types: Types, name: str) -> Iterator[str]:
    schema = types.models[name]
    sent = name in types.written
    fields = [
        (each, of, each in schema.get("required", ())) for each, of in schema["properties"].items()
    ]
    fields.sort(key=lambda row: not row[2])
    yield f"\n\n@dataclass(frozen=True, kw_only=True, slots=True)\nclass {name}:"
    yield docstring(schema.get("description") or f"`{name}` of the contract.", "    ")
    yield ""
    for each, of, required in fields:
        kind = types.of(of, each, name, sent=sent)
        optional = "" if required else " | None = None"
        yield f"    {snake(each)}: {kind.annotation}{optional}"
        if text := types.contract.resolved(of).get("description"):
            yield docstring(text, "    ")
    yield "    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)"
    yield '    """As it was received, with fields that this version of the client does not know."""'
    yield f"\n    @classmethod\n    def from_json(cls, raw: JsonObject) -> {name}:"
    yield '        """Read one; KeyError or TypeError if it is not one."""\n        return cls('
    for each, of, required in fields:
        kind = types.of(of, each, name, sent=sent)
        yield f"            {snake(each)}={_read(kind, each, required)},"
    yield "            raw=raw,\n        )"
    if sent:
        yield "\n    def to_json(self) -> dict[str, Any]:"
        yield '        """As it is sent."""\n        return present({'
        for each, of, required in fields:
            kind = types.of(of, each, name, sent=sent)
            yield f"            '{each}': {_write(kind, 'self.' + snake(each), required)},"
        yield "        })"


def _read(kind: PythonType, name: str, required: bool) -> str:
    if kind.is_plain:
        return f'raw["{name}"]' if required else f'raw.get("{name}")'
    read = kind.read.format(f'raw["{name}"]')
    return read if required else f'{read} if "{name}" in raw else None'


def _write(kind: PythonType, value: str, required: bool) -> str:
    if kind.write == "{}":
        return value
    written = kind.write.format(value)
    return written if required else f"{written} if {value} is not None else None"


def _reader(types: Types, name: str, schema: Schema) -> str:
    """An alias for the kinds of a oneOf, and the function that reads any of them."""
    kinds = [types.of(each, name).annotation for each in schema["oneOf"]]
    tag = schema.get("discriminator", {}).get("propertyName")
    if not tag:
        raise Unknown(f"{name}: oneOf without discriminator")
    rows = [f"    {value!r}: {kind}," for kind in kinds for value in _values(types, kind, tag)]
    table = "\n".join(rows)
    return f'''

{name} = {" | ".join(kinds)}
_{name.upper()} = {{
{table}
}}


def read_{name.lower()}(raw: JsonObject) -> {name}:
    """The kind of `{name}` that its `{tag}` names; KeyError for one that is not known."""
    return _{name.upper()}[raw["{tag}"]].from_json(raw)
'''


def _values(types: Types, kind: str, tag: str) -> list[Any]:
    of = types.models[kind]["properties"][tag]
    return list(of.get("enum", ())) or [of["const"]]
