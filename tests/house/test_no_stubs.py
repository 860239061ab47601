"""Nothing in the contract is left unimplemented: each operation has a working function."""

from __future__ import annotations

import ast
import inspect

import pytest

from errors import CODES
from spec import CONTRACT, functions
from spec.operations import Operation, operations_of
from tests.house.code import ROOT, sources

OPERATIONS = operations_of(CONTRACT)
FUNCTIONS = functions.load(OPERATIONS)


def test_no_refusal_says_not_yet() -> None:
    assert 501 not in {status for status, _ in CODES.values()}
    contract = (ROOT / "spec/openapi.yaml").read_text("utf-8")
    assert "not_implemented" not in contract and "'501'" not in contract


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.operation_id)
def test_an_operation_does_more_than_refuse(operation: Operation) -> None:
    function = ast.parse(inspect.getsource(FUNCTIONS[operation.function_name])).body[0]
    assert isinstance(function, ast.FunctionDef)
    work = [node for node in function.body if not isinstance(node, ast.Pass | ast.Raise | ast.Expr)]
    assert work, "it is a stub"


def test_nothing_is_left_for_later() -> None:
    unwritten = [
        source.at(node)
        for source in sources()
        if source.room != "web"  # there it is said of contracts that connexion cannot run
        for node in source.nodes(ast.Name)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    marked = [s.name for s in sources() if any(m in s.text for m in ("TODO", "FIXME", "XXX"))]
    assert unwritten + marked == []
