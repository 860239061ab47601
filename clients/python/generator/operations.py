"""`generated/operations.py` and `async_operations.py`: one method for each operation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.contract import Contract, Operation, Parameter
from generator.layout import HEADER, docstring
from generator.python_types import PythonType, Types

# "One user per telegramId" is safe to repeat by itself, and called too often to store its keys.
WITHOUT_KEY = {"usersRegisterOrLogin"}
CALLS = ("Call", "new_key", "part")


def operations_module(contract: Contract, types: Types, *, is_async: bool) -> str:
    """The module of one of the two clients."""
    methods = [
        text
        for operation in contract.operations()
        for text in _methods(types, operation, is_async=is_async)
    ]
    return HEADER + _head("\n".join(methods), types, is_async=is_async) + "\n".join(methods) + "\n"


def _head(methods: str, types: Types, *, is_async: bool) -> str:
    """The docstring and the imports of what the methods use."""

    def used(*names: str) -> list[str]:
        return [name for name in names if re.search(rf"\b{name}\b", methods)]

    kind = "async client" if is_async else "client"
    sender = "AsyncSender" if is_async else "Sender"
    abstract = used("AsyncIterator", "Iterator", "Mapping", "Sequence")
    lines = [f'"""All operations of the {kind}."""\n', "from __future__ import annotations\n"]
    lines += [f"from collections.abc import {', '.join(abstract)}"] if abstract else []
    lines += ["from datetime import datetime"] if used("datetime") else []
    lines += ["from decimal import Decimal"] if used("Decimal") else []
    lines += [f"from typing import {', '.join(used('Any', 'Literal'))}\n"]
    lines += [f"from livephoto_client.calls import {', '.join((sender, *used(*CALLS)))}"]
    models = used(
        *types.literals, *types.models, *types.unions, *(f"read_{n.lower()}" for n in types.unions)
    )
    lines += [
        "from livephoto_client.generated.models import (",
        *(f"    {n}," for n in models),
        ")",
    ]
    lines += [f"from livephoto_client.json_values import {', '.join(used('exact', 'present'))}"]
    lines += [f"from livephoto_client.pages import {', '.join(used('Page', 'page_of'))}"]
    lines += ["from livephoto_client.uploads import Upload\n\n"]
    name = "AsyncOperations(AsyncSender)" if is_async else "Operations(Sender)"
    lines += [
        f"class {name}:",
        '    """The methods of the contract, each named as its operationId."""\n',
    ]
    return "\n".join(lines)


def _methods(types: Types, operation: Operation, *, is_async: bool) -> Iterator[str]:
    answer = _answer(types, operation)
    arguments = [(each, _kind(types, operation, each)) for each in operation.parameters]
    arguments = [row for row in arguments if row[0].name != "cursor"]
    plain = "async def" if is_async else "def"
    await_ = "await " if is_async else ""
    signature = _signature(operation, arguments)
    page = f"Page[{answer.annotation[5:-1]}]" if operation.pages else answer.annotation
    yield f"\n    {plain} {operation.function}(\n        self,{signature}\n    ) -> {page}:"
    yield docstring(_text(operation, arguments), "        ")
    yield from _call(operation, arguments, answer, page)
    yield f"        return {await_}self._send(call)"
    if operation.pages:
        yield from _all(operation, arguments, answer, is_async=is_async)


def _all(
    operation: Operation,
    arguments: list[tuple[Parameter, PythonType]],
    answer: PythonType,
    *,
    is_async: bool,
) -> Iterator[str]:
    """The method that goes on from page to page."""
    item = answer.annotation[5:-1]
    iterator = f"AsyncIterator[{item}]" if is_async else f"Iterator[{item}]"
    signature = _signature(operation, arguments)
    yield f"\n    def {operation.function}_all(\n        self,{signature}\n    ) -> {iterator}:"
    text = f"Each item of `{operation.function}`, page after page; `limit` is the size of a page."
    yield docstring(text, "        ")
    yield from _call(operation, arguments, answer, f"Page[{item}]")
    yield "        return self._every(call)"


def _call(
    operation: Operation,
    arguments: list[tuple[Parameter, PythonType]],
    answer: PythonType,
    page: str,
) -> Iterator[str]:
    """The statement that makes the request."""
    yield f"        call: Call[{page}] = Call("
    yield f'            method="{operation.method}",'
    yield f"            path={_path(operation)},"
    for place in ("query", "header", "body"):
        fields = [row for row in arguments if row[0].place == place]
        if fields:
            name = {"query": "query", "header": "headers", "body": operation.body}[place]
            yield f"            {'content' if name == 'open' else name}={_fields(name, fields)},"
    if answer.annotation != "None":
        yield f"            read={_reader(operation, answer)},"
    if operation.takes_key and operation.operation_id not in WITHOUT_KEY:
        yield "            idempotency_key=idempotency_key or new_key(),"
    if operation.body == "form":
        yield "            repeatable=False,"
    if not operation.needs_api_key:
        yield "            needs_api_key=False,"
    yield "        )"


def _fields(name: str, fields: list[tuple[Parameter, PythonType]]) -> str:
    """The dict of what is sent in one place, without what is None."""
    if name == "open":
        return f"dict({fields[0][0].argument})"
    pairs = []
    for parameter, kind in fields:
        value = parameter.argument
        if kind.write != "{}":
            value = kind.write.format(value)
            if not parameter.required:
                value = f"{value} if {parameter.argument} is not None else None"
        pairs.append(f'"{parameter.name}": {value}')
    return f"present({{{', '.join(pairs)}}})"


def _reader(operation: Operation, answer: PythonType) -> str:
    if operation.pages:
        return f"page_of(lambda each: {answer.read.split(' for each')[0][1:]})"
    if answer.read.endswith("({})"):
        return answer.read.removesuffix("({})")
    return f"lambda raw: {answer.read.format('raw')}"


def _path(operation: Operation) -> str:
    names = {each.name: each.argument for each in operation.parameters if each.place == "path"}
    path = re.sub(r"{(\w+)}", lambda found: f"{{part({names[found[1]]})}}", operation.path)
    return f'f"{path}"' if names else f'"{path}"'


def _kind(types: Types, operation: Operation, parameter: Parameter) -> PythonType:
    sent = parameter.place == "body"
    owner = operation.operation_id[:1].upper() + operation.operation_id[1:]
    return types.of(parameter.schema, parameter.name, owner, sent=sent)


def _answer(types: Types, operation: Operation) -> PythonType:
    if operation.answer is None:
        return PythonType("None")
    name = operation.operation_id[:1].upper() + operation.operation_id[1:]
    return types.of(operation.answer, "Result", name)


def _signature(operation: Operation, arguments: list[tuple[Parameter, PythonType]]) -> str:
    """Arguments of the path by position or name, all others by name; optional ones last."""
    by_place = sorted(arguments, key=lambda row: (row[0].place != "path", not row[0].required))
    lines: list[str] = []
    starred = False
    for parameter, kind in by_place:
        if parameter.place != "path" and not starred:
            lines, starred = [*lines, "*,"], True
        optional = "" if parameter.required else " | None = None"
        lines.append(f"{parameter.argument}: {kind.argument}{optional},")
    if operation.takes_key and operation.operation_id not in WITHOUT_KEY:
        lines += [] if starred else ["*,"]
        lines.append("idempotency_key: str | None = None,")
    return "".join(f"\n        {line}" for line in lines)


def _text(operation: Operation, arguments: list[tuple[Parameter, PythonType]]) -> str:
    """The docstring: what the contract says of the operation and of each argument."""
    descriptions = [
        f"- `{each.argument}`: {' '.join(each.description.split())}"
        for each, _ in arguments
        if each.description
    ]
    paragraphs = [
        operation.summary.rstrip(".") + ".",
        operation.description.strip(),
        "\n".join(descriptions),
    ]
    return "\n\n".join(part for part in paragraphs if part)
