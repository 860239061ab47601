"""Rules of this project that no linter knows. Each is tested against code that breaks it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from errors import CODES
from tests.house.code import Source, called, dotted, sources, sources_aside

SOURCES = sources()
# Migrations are lists of what Alembic found, not logic.
WRITTEN = [s for s in SOURCES if not s.name.startswith("db/migrations/versions/")]
LIMITED = WRITTEN + sources_aside()

# Blank lines are not counted.
FILE_LINES = 300
FUNCTION_LINES = 40
HANDLER_LINES = 25
NAMES_THAT_SAY_NOTHING = {"base", "common", "core", "helper", "manager", "misc", "util"}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}


def money_moved_past_the_ledger(source: Source) -> Iterator[ast.AST]:
    """Rows of Transaction made, or balances assigned, elsewhere; only a status may change there."""
    if source.name == "services/ledger.py" or source.name.startswith("db/m"):
        return
    for call in source.nodes(ast.Call):
        inserted = called(call) == "insert" and dotted(call.args[0]) == "Transaction"
        assigned = any(each.arg in ("balance_tokens", "ledger_seq") for each in call.keywords)
        if called(call) == "Transaction" or inserted or assigned:
            yield call
    for node in source.nodes(ast.Assign, ast.AugAssign):
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        names = {target.attr for target in targets if isinstance(target, ast.Attribute)}
        if names & {"balance_tokens", "ledger_seq"}:
            yield node


def commits_elsewhere(source: Source) -> Iterator[ast.AST]:
    """commit, rollback or begin outside db/session.py; a savepoint is no commit."""
    if source.name in ("db/session.py", "db/migrations/env.py") or source.room in ("bot", "local"):
        return
    for node in source.nodes(ast.Call):
        if isinstance(node.func, ast.Attribute) and called(node) in ("commit", "rollback", "begin"):
            yield node


def unknown_codes(source: Source) -> Iterator[ast.AST]:
    """ApiError("...") with a code that errors.py does not know."""
    for node in source.nodes(ast.Call):
        code = node.args[0] if node.args and called(node) == "ApiError" else None
        if isinstance(code, ast.Constant) and code.value not in CODES:
            yield node


def own_clocks(source: Source) -> Iterator[ast.AST]:
    """Reads of the wall clock in rules and handlers: db.types.now() is the one clock."""
    if source.room in ("services", "handlers", "db") and source.name != "db/types.py":
        yield from (n for n in source.nodes(ast.Call) if dotted(n.func) in CLOCKS)


def long_functions(source: Source) -> Iterator[ast.AST]:
    """Functions over FUNCTION_LINES, their docstring not counted."""
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        if _lines(node) - _docstring_lines(node) > FUNCTION_LINES:
            yield node


def long_handlers(source: Source) -> Iterator[ast.AST]:
    """Operations over HANDLER_LINES: blank lines and the signature do not count."""
    if source.room == "handlers":
        lines = source.text.splitlines()
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                body = lines[node.body[0].lineno - 1 : node.end_lineno]
                if (
                    sum(bool(line.strip()) for line in body) - _docstring_lines(node)
                    > HANDLER_LINES
                ):
                    yield node


def undocumented_rules(source: Source) -> Iterator[ast.AST]:
    """Public functions and classes of services without the sentence that says their rule."""
    if source.room == "services":
        for node in _public(source):
            if not ast.get_docstring(node):
                yield node


def rows_of_no_type(source: Source) -> Iterator[ast.AST]:
    """Public functions whose rows mypy cannot see; JSON, dict[str, Any], is no row."""
    if source.room in ("handlers", "services", "workflows"):
        for node in _public(source):
            if isinstance(node, ast.FunctionDef) and _says_nothing(node.returns):
                yield node


def _says_nothing(annotation: ast.AST | None) -> bool:
    if isinstance(annotation, ast.Subscript) and dotted(annotation.value) == "dict":
        return False
    if annotation is None or dotted(annotation) in ("Any", "Row", "SimpleNamespace", "object"):
        return True
    return any(map(_says_nothing, ast.iter_child_nodes(annotation)))


RULES: dict[Callable[[Source], Iterator[ast.AST]], tuple[str, str]] = {
    money_moved_past_the_ledger: ("services/planted.py", "user.balance_tokens += 5"),
    commits_elsewhere: ("services/planted.py", "session.commit()"),
    unknown_codes: ("services/planted.py", "raise ApiError('no_such_code')"),
    own_clocks: ("services/planted.py", "datetime.now(UTC)"),
    long_functions: ("services/planted.py", "def long():\n" + "    step()\n" * 40),
    long_handlers: ("handlers/planted.py", "def operation():\n" + "    step()\n" * 26),
    rows_of_no_type: ("services/planted.py", "def get(reader) -> list[Any]: ..."),
    undocumented_rules: ("services/planted.py", "def undocumented(): ..."),
}


def _findings(rule: Callable[[Source], Iterator[ast.AST]], source: Source) -> list[str]:
    return [source.at(node) for node in rule(source)]


@pytest.mark.parametrize("rule", RULES)
def test_the_code_keeps_the_rule(rule: Callable[[Source], Iterator[ast.AST]]) -> None:
    looked_at = LIMITED if rule is long_functions else WRITTEN
    assert [spot for source in looked_at for spot in _findings(rule, source)] == [], rule.__doc__


@pytest.mark.parametrize("rule", RULES)
def test_a_planted_violation_is_found(rule: Callable[[Source], Iterator[ast.AST]]) -> None:
    assert _findings(rule, Source(*RULES[rule]))


@pytest.mark.parametrize(
    "statement",
    [
        "Transaction(user_id=user_id)",
        "session.execute(insert(Transaction).values(rows))",
        "session.execute(update(User).values(balance_tokens=0))",
    ],
)
def test_every_way_past_the_ledger_is_found(statement: str) -> None:
    assert _findings(money_moved_past_the_ledger, Source("services/planted.py", statement))


def test_files_are_short_enough_to_read() -> None:
    lines = {s.name: sum(map(bool, map(str.strip, s.text.splitlines()))) for s in LIMITED}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_every_file_name_says_what_is_inside() -> None:
    words = {s.name: set(s.name.removesuffix(".py").replace("/", "_").split("_")) for s in WRITTEN}
    singular = {name: {word.removesuffix("s") for word in found} for name, found in words.items()}
    assert [name for name, found in singular.items() if found & NAMES_THAT_SAY_NOTHING] == []


def test_every_code_is_raised_somewhere() -> None:
    """Codes reach ApiError as literals, or through a table of literals in the same rooms."""
    texts = {
        node.value
        for source in SOURCES
        if source.name != "errors.py"
        for node in source.nodes(ast.Constant)
    }
    assert set(CODES) - texts == set()


def _public(source: Source) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _docstring_lines(node: ast.stmt) -> int:
    """Of a function."""
    first: ast.stmt = getattr(node, "body")[0]  # noqa: B009 of every function
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return _lines(first) if documented else 0
