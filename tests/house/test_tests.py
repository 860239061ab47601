"""Rules of the tests themselves. Each is tried on code that breaks it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.house.code import Source, called, dotted, sources_of

TESTS = sources_of("tests")
ANY = {"Exception", "BaseException"}


def imports_of_tests(source: Source) -> Iterator[ast.AST]:
    """Imports of a test module: what two of them need is in a module of its own."""
    for node in source.nodes(ast.alias, ast.ImportFrom):
        names = [node.name] if isinstance(node, ast.alias) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        parts = [part for name in names if name.startswith("tests.") for part in name.split(".")]
        if any(part.startswith("test_") for part in parts):
            yield node


def refusals_without_a_name(source: Source) -> Iterator[ast.AST]:
    """`pytest.raises` of any exception: ruff's B017 is content as soon as there is a `match`."""
    for call in source.nodes(ast.Call):
        given = [*call.args, *(each.value for each in call.keywords)]
        kinds = {dotted(node) for each in given for node in ast.walk(each)}
        if called(call) == "raises" and kinds & ANY:
            yield call


RULES: dict[Callable[[Source], Iterator[ast.AST]], tuple[str, ...]] = {
    imports_of_tests: (
        "from tests.services.test_queue import claim",
        "from tests.services import test_queue",
        "import tests.services.test_queue as queue",
    ),
    refusals_without_a_name: (
        "with pytest.raises(Exception, match='ended'): ...",
        "with raises((ValueError, BaseException)): ...",
        "pytest.raises(expected_exception=Exception)",
    ),
}
PLANTED = [(rule, text) for rule, texts in RULES.items() for text in texts]


@pytest.mark.parametrize("rule", RULES)
def test_the_tests_keep_the_rule(rule: Callable[[Source], Iterator[ast.AST]]) -> None:
    assert [source.at(node) for source in TESTS for node in rule(source)] == [], rule.__doc__


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_a_planted_violation_is_found(
    rule: Callable[[Source], Iterator[ast.AST]], text: str
) -> None:
    assert [*rule(Source("tests/planted.py", text))]
