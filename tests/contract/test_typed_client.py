"""The generated half of clients/python is what the contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

import livephoto_client
from errors import CODES
from generator.__main__ import HERE, write
from generator.contract import Contract
from generator.models import models_module
from generator.python_types import Types, Unknown
from livephoto_client import AsyncClient, Client
from spec import CONTRACT
from spec.operations import operations_of

GENERATED = HERE / "livephoto_client/generated"


def test_make_format_has_been_run_since_the_contract_was_changed(tmp_path: Path) -> None:
    write(tmp_path)
    written = {file.name: file.read_text("utf-8") for file in tmp_path.glob("*.py")}
    kept = {file.name: file.read_text("utf-8") for file in GENERATED.glob("*.py")}
    assert written == kept


def test_each_operation_is_a_method_of_both_clients_and_says_what_it_does() -> None:
    named = {each.function for each in Contract().operations()}
    assert len(named) == len(list(operations_of(CONTRACT)))
    for client in (Client, AsyncClient):
        assert all(getattr(client, name).__doc__ for name in named)


def test_each_code_is_an_exception() -> None:
    codes = {code: status for status, code, _ in Contract().codes()}
    assert codes == {code: row[0] for code, row in CODES.items()}
    assert issubclass(livephoto_client.JobNotFound, livephoto_client.Refusal)


@pytest.mark.parametrize(
    "schema", [{"type": "null"}, {"oneOf": [{"type": "string"}]}, {"allOf": [{"type": "object"}]}]
)
def test_what_the_generator_does_not_know_it_refuses(schema: dict[str, object]) -> None:
    types = Types(Contract())
    with pytest.raises((Unknown, KeyError)):
        types.of(schema, "planted")
        models_module(types)
