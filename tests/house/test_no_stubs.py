"""Nothing in the contract is left unimplemented: each operation does its work in other rooms."""

from __future__ import annotations

import ast

import pytest

from errors import CODES
from spec import CONTRACT, functions
from spec.operations import Operation, operations_of
from tests.house.code import ROOT, Source, sources

OPERATIONS = operations_of(CONTRACT)
FUNCTIONS = functions.load(OPERATIONS)
WORKING = {"db", "providers", "services", "workflows"}
# Says that the process answers, and asks nobody.
ALONE = {"health_live"}


def rooms_reached(source: Source, name: str) -> set[str]:
    """The rooms that a function uses, itself or through others of its file."""
    imported = {
        alias.asname or alias.name: (node.module or alias.name).partition(".")[0]
        for node in source.nodes(ast.ImportFrom)
        for alias in node.names
    }
    local = {node.name: node for node in source.nodes(ast.FunctionDef)}
    reached: set[str] = set()
    todo, seen = [name], {name}
    while todo:
        body = ast.walk(local[todo.pop()])
        names = {node.id for node in body if isinstance(node, ast.Name)}
        reached |= {imported[each] for each in names & imported.keys()}
        todo += [each for each in names & local.keys() if each not in seen]
        seen |= names
    return reached


def test_no_refusal_says_not_yet() -> None:
    assert 501 not in {status for status, *_ in CODES.values()}
    contract = (ROOT / "spec/openapi.yaml").read_text("utf-8")
    assert "not_implemented" not in contract and "'501'" not in contract


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.operation_id)
def test_an_operation_has_its_work_done(operation: Operation) -> None:
    function = FUNCTIONS[operation.function_name]
    file = function.__module__.replace(".", "/") + ".py"
    source = Source(file, (ROOT / file).read_text("utf-8"))
    done = rooms_reached(source, function.__name__) & WORKING
    assert done or function.__name__ in ALONE, "it is a stub"


@pytest.mark.parametrize(
    "stub",
    [
        "def list(): raise ApiError('not_found')",
        "def list():\n    rows = []\n    return rows, 200",
        "def list(): return _dump({}), 200\ndef _dump(row): return schemas.dump(row)",
    ],
)
def test_a_planted_stub_is_found(stub: str) -> None:
    imports = (
        "from errors import ApiError\nfrom handlers import schemas\nfrom services import jobs\n"
    )
    assert not rooms_reached(Source("handlers/planted.py", imports + stub), "list") & WORKING


def test_nothing_is_left_for_later() -> None:
    unwritten = [
        source.at(node)
        for source in sources()
        if source.room != "web"  # there it is said of contracts that connexion cannot run
        for node in source.nodes(ast.Name)
        if node.id == "NotImplementedError"
    ]
    marked = [s.name for s in sources() if any(m in s.text for m in ("TODO", "FIXME", "XXX"))]
    assert unwritten + marked == []
