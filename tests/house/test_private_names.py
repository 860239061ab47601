"""Libraries are used by the names they document; what must stay otherwise is in one table."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

import pytest

from tests.house.code import Source, sources, sources_of

SOURCES = [*sources(), *sources_of("lab")]
OURS = {source.name.partition("/")[0].removesuffix(".py") for source in SOURCES}

# Documented in spite of their underscore: by os, by logging's HOWTO under "Optimization", and by
# collections for named tuples, so that they are no names of fields.
DOCUMENTED = {"_exit", "_srcfile", "_asdict", "_fields", "_make", "_replace"}
# Not documented although they have none; looked for where the library is imported.
UNDOCUMENTED = {
    "asyncio": {"sslproto", "transports"},
    "connexion": {"connexion_context", "middleware_stack", "randomize_endpoint"},
    "gunicorn": {"access_log_enabled", "handle_exit_signal", "loop", "nr_conns", "sock", "sockets"},
    "limits": {"events", "expirations", "locks", "storage", "timer"},
    "marshmallow": {"dump_fields", "load_fields", "serialize_func"},
    "sqlalchemy": {"__visit_name__", "dispatch", "effective_value", "insert_prefetch"},
    "starlette": {"middleware_stack", "raw_headers"},
}

# (file, name): why it stays, and what would replace it.
STAYS = {
    ("gunicorn.conf.py", "access_log_enabled"): (
        "no setting says that gunicorn shall log its own lines by logconfig_dict and none for each "
        "request: it would build them, for 24 microseconds each, and throw them away"
    ),
}


def found_in(source: Source, ours: frozenset[str] = frozenset()) -> set[str]:
    """Private and undocumented names of libraries in a file. `ours`: private names of our own."""
    looked_for = (_imported(source), _accessed(source, ours), _overridden(source))
    private = {name for names in looked_for for name in names if _is_private(name)}
    return private - DOCUMENTED | set(_undocumented(source))


def our_names(files: list[Source]) -> frozenset[str]:
    """Every name that our code defines anywhere."""
    return frozenset(name for source in files for name in _defined(source.tree))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _defined(tree: ast.AST) -> Iterator[str]:
    """Functions, classes, and what is assigned to: names, attributes, slots."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=slots)):
                yield from (each.value for each in slots if isinstance(each, ast.Constant))


def _imports(source: Source) -> Iterator[tuple[str, str, str]]:
    """Module, name in it (empty for the module itself), and what the file calls it."""
    for each in source.nodes(ast.Import):
        for alias in each.names:
            yield alias.name, "", alias.asname or alias.name.partition(".")[0]
    for node in source.nodes(ast.ImportFrom):
        for alias in node.names:
            yield node.module or "", alias.name, alias.asname or alias.name


def _imported(source: Source) -> Iterator[str]:
    """Private modules of others, and private names from their modules."""
    for module, name, _ in _imports(source):
        if not _is_ours(module):
            yield from (*module.split("."), name)


def _accessed(source: Source, ours: frozenset[str]) -> Iterator[str]:
    """`x._name` of others' modules, or defined nowhere by us; `self._name`, not in this file."""
    foreign = {
        known for module, name, known in _imports(source) if not name and not _is_ours(module)
    }
    here = frozenset(_defined(source.tree))
    for node in source.nodes(ast.Attribute):
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if owner in foreign or node.attr not in (here if owner in ("self", "cls") else ours):
            yield node.attr


def _overridden(source: Source) -> Iterator[str]:
    """Names that a class of ours defines although a class of others, its base, has them."""
    places = {known: (module, name) for module, name, known in _imports(source) if name}
    for node in source.nodes(ast.ClassDef):
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            module, name = places.get(plain.id if isinstance(plain, ast.Name) else "", ("", ""))
            if name and not _is_ours(module):
                theirs = getattr(importlib.import_module(module), name)
                yield from (each for each in _defined(node) if hasattr(theirs, each))


def _undocumented(source: Source) -> Iterator[str]:
    libraries = {module.partition(".")[0] for module, _, _ in _imports(source)}
    known = {name for library in libraries for name in UNDOCUMENTED.get(library, ())}
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)) if name in known:
                yield name
            case ast.ClassDef(bases=[_, *_]):
                yield from known.intersection(_defined(node))


def test_no_private_or_undocumented_name_of_a_library_is_used_but_those_in_the_table() -> None:
    ours = our_names(SOURCES)
    found = {(source.name, name) for source in SOURCES for name in found_in(source, ours)}
    assert found == STAYS.keys()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from flask.globals import _cv_app", "_cv_app"),
        ("import asyncio._impl", "_impl"),
        ("import connexion\nconnexion.App()._middleware_app", "_middleware_app"),
        ("class A:\n    def f(self): return self._operation", "_operation"),
        ("import logging\n_root = None\nlogging._root = None", "_root"),
        (
            "from connexion.spec import Specification\n"
            "class A(Specification):\n    def _validate_spec(self): ...",
            "_validate_spec",
        ),
        ("import connexion\nscope['connexion_context']", "connexion_context"),
        (
            "from gunicorn import glogging\n"
            "class A(glogging.Logger):\n    access_log_enabled = False",
            "access_log_enabled",
        ),
        ("import sqlalchemy\nengine.dispatch.before_cursor_execute", "dispatch"),
    ],
)
def test_a_planted_use_is_found(code: str, name: str) -> None:
    assert found_in(Source("web/planted.py", code)) == {name}


def test_our_own_private_names_are_nobody_else_s_business() -> None:
    code = (
        "from web.app import _lanes\n"
        "class A:\n"
        "    def __init__(self): self._x = 1\n"
        "    def f(self, other): return self._x + other._y\n"
    )
    assert found_in(Source("web/planted.py", code), frozenset({"_y"})) == set()
