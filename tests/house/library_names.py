"""Finds the private and the undocumented names of libraries that our code uses, by reading it."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.house.code import Source, called, dotted

# Documented in spite of their underscore: by os, by logging's HOWTO under "Optimization", and by
# collections for named tuples, so that they are no names of fields.
DOCUMENTED = {"_exit", "_srcfile", "_asdict", "_fields", "_make", "_replace"}
# By library: names without an underscore that it does not document; `owner.name` where the same
# name is documented for another owner. The keys are also the libraries whose sources are searched
# for private names.
UNDOCUMENTED = {
    "asyncio": {"sslproto", "transports"},
    "connexion": {"connexion_context", "middleware_stack", "randomize_endpoint"},
    "flask": set[str](),
    "gunicorn": {
        *("access_log_enabled", "handle_exit_signal", "loop", "nr_conns", "sock", "sockets"),
        *("server.cfg", "worker.cfg", "worker.sock", "worker.sockets"),
    },
    "marshmallow": {"dump_fields", "load_fields", "serialize_func"},
    "psycopg2": set[str](),
    "sqlalchemy": {"__visit_name__", "dispatch", "insert_prefetch", "required"},
    "starlette": {"chunk_size", "middleware_stack", "raw_headers", "redirect_slashes"},
}
# asyncio and http.client have them, too: without their owner, looked for where the library is.
SHARED = {"sock", "sockets"}
ENTRIES = {entry for entries in UNDOCUMENTED.values() for entry in entries}

BY_STRING = {"attrgetter", "delattr", "getattr", "hasattr", "setattr"}
OURSELVES = {"cls", "self", "super()"}
# Where a library's source gives a name to something that others could reach.
_NAMED = re.compile(r"""(?:\.|\bdef |\bclass |^ *|['"])(_[A-Za-z]\w*)""", re.MULTILINE)
_OF_SELF = re.compile(r"\bself\.(\w+)")


class File(ast.NodeVisitor):
    """What a file imports, defines, and asks of others."""

    def __init__(self, source: Source) -> None:
        path = source.name.removeprefix("clients/python/").removesuffix(".py")
        self.name, self.room = source.name, path.partition("/")[0]
        self.module = path.removesuffix("/__init__").replace("/", ".")
        self.imports: list[tuple[str, str]] = []  # a module, and a name in it or none
        self.known: dict[str, tuple[str, str]] = {}  # the same, by what the file calls it
        self.bases: dict[str, list[str]] = {}  # of its classes, as it writes them
        self.own: dict[str, set[str]] = {}  # what each of them defines, or asks of itself
        self.members: set[str] = set()  # what they define
        self.defined: set[str] = set()  # what has a name anywhere in the file
        self.asked: list[tuple[str, str]] = []  # an owner, as it is written, and a name of it
        self.strings: set[str] = set()
        self.types: dict[str, set[str]] = {}  # classes of variables, and of what functions return
        self._inside: list[str] = []  # classes
        self.visit(source.tree)

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            self.imports.append((each.name, ""))
            first = each.name.partition(".")[0]
            self.known[each.asname or first] = (each.name if each.asname else first, "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for each in node.names:
            self.imports.append((node.module or "", each.name))
            self.known[each.asname or each.name] = (node.module or "", each.name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        plain = [each.value if isinstance(each, ast.Subscript) else each for each in node.bases]
        self.bases.setdefault(node.name, []).extend(map(dotted, plain))
        defined = {name for each in node.body for name in _defined_by(each)}
        self.own.setdefault(node.name, set()).update(defined)
        self.members |= defined
        self.defined.add(node.name)
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.defined.add(node.name)
        self._typed(f"{node.name}()", node.returns)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_arg(self, node: ast.arg) -> None:
        self._typed(node.arg, node.annotation)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._typed(dotted(node.target), node.annotation)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._typed(dotted(node.optional_vars), None)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and (made_by := dotted(node.value.func)):
            for target in node.targets:
                self.types.setdefault(dotted(target), set()).add(f"{made_by}()")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = _written(node.value)
        self._ask(owner, node.attr)
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.attr)
            if owner in OURSELVES:
                self.members.add(node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if called(node) in BY_STRING and node.args:
            owner = "" if isinstance(node.args[0], ast.Constant) else _written(node.args[0])
            for each in node.args[:2]:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    self._ask(owner, each.value.rpartition(".")[2])
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.add(node.value)

    def _ask(self, owner: str, name: str) -> None:
        self.asked.append((owner, name))
        if owner in OURSELVES and self._inside:
            self.own[self._inside[-1]].add(name)

    def _typed(self, name: str, annotation: ast.expr | None) -> None:
        kinds = ast.walk(annotation or ast.Name("object"))
        names = {each.id for each in kinds if isinstance(each, ast.Name)}
        self.types.setdefault(name, set()).update(names)


class Code:
    """All files of ours."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.files = [File(source) for source in sources]
        self._modules = {file.module: file for file in self.files}
        self._rooms = {file.room for file in self.files}
        self._defined = {name for file in self.files for name in file.defined | file.members}
        overridden = {name for file in self.files for name in self._overridden(file)}
        members = {name for file in self.files for name in file.members}
        # Ours alone, not in a class that has them from its library.
        self._members = members - (overridden & ENTRIES)

    def found_in(self, file: File) -> set[str]:
        """Private and undocumented names of libraries in a file."""
        private = {*self._imported(file), *self._asked(file), *self._overridden(file)}
        return {each for each in private if _is_private(each)} | self._undocumented(file)

    def _imported(self, file: File) -> Iterator[str]:
        """Private modules of others, and private names from their modules."""
        for module, name in file.imports:
            if self._is_foreign(module):
                yield from (*module.split("."), name)

    def _asked(self, file: File) -> Iterator[str]:
        for owner, name in file.asked:
            if _is_private(name) and not self._is_ours(file, owner, name):
                yield name

    def _is_ours(self, file: File, owner: str, name: str) -> bool:
        """Whether the name is ours: some file of ours defines it and, if a library has the same
        name, this file tells that the owner's class is ours.
        """
        if owner in OURSELVES:
            return any(name in each.members for each in self._reached_by(file))
        module, of = file.known.get(owner.partition(".")[0], ("", ""))
        if module and self._is_foreign(module):
            return False
        if owner in file.known:
            there = self._modules.get(f"{module}.{of}") or self._modules.get(module)
            return there is None or name in there.defined
        if name not in _private_names_of_libraries():
            return name in self._defined
        kinds = _kinds(file, owner)
        theirs = any(_may_be_a_library_s(file, kind) for kind in kinds)
        return not theirs and any(self._has(file, kind, name) for kind in kinds)

    def _has(self, file: File, kind: str, name: str) -> bool:
        """Whether a class of ours, by what the file calls it, has such a member."""
        there, of = self._home(file, kind)
        return of != "" and any(name in each.members for each in self._reached_by(there))

    def _home(self, file: File, kind: str) -> tuple[File, str]:
        """Where a class of ours is, by what the file calls it, and its name; empty: it is not."""
        if kind in file.bases:
            return file, kind
        module, name = file.known.get(kind, ("", ""))
        there = self._modules.get(module, file)
        return (file, "") if there is file else self._home(there, name)

    def _reached_by(self, file: File) -> Iterator[File]:
        """The file, and those of ours that it imports from."""
        yield file
        for module, _ in file.imports:
            if module in self._modules:
                yield self._modules[module]

    def _overridden(self, file: File) -> Iterator[str]:
        """What a class of ours defines, or asks of itself, although its library's base has it."""
        for name, own in file.own.items():
            for base in self._foreign_bases(file, name):
                yield from own & _members_of(base)

    def _foreign_bases(self, file: File, name: str) -> Iterator[object]:
        """The classes of libraries that one of our classes is made of, by way of others of ours."""
        for base in file.bases[name]:
            first, _, rest = base.partition(".")
            module, of = file.known.get(first, ("", ""))
            there, ours = self._home(file, base)
            if ours and (there, ours) != (file, name):
                yield from self._foreign_bases(there, ours)
            elif first in file.known and self._is_foreign(module):
                yield from _loaded(module, ".".join(filter(None, (of, rest))))

    def _undocumented(self, file: File) -> set[str]:
        """Undocumented names: those that no class of ours has, in any file; the others only in
        files that import their library.
        """
        libraries = {module.partition(".")[0] for module, _ in file.imports}
        theirs = ENTRIES - SHARED - self._members
        known = theirs.union(*(UNDOCUMENTED.get(library, ()) for library in libraries))
        imported = {
            part
            for module, name in file.imports
            for part in (*module.split("."), name)
            if part in UNDOCUMENTED.get(module.partition(".")[0], ())
        }
        with_owner = {f"{owner.rpartition('.')[2]}.{name}" for owner, name in file.asked}
        asked = {name for _, name in file.asked} | with_owner
        overridden = ENTRIES.intersection(self._overridden(file))
        return imported | known & asked | theirs & file.strings | overridden

    def _is_foreign(self, module: str) -> bool:
        return module.partition(".")[0] not in self._rooms


def _is_private(name: str) -> bool:
    dunder = name.startswith("__") or name == "_"
    return name.startswith("_") and not dunder and name not in DOCUMENTED


def _written(owner: ast.expr) -> str:
    """An owner, as far as it is a name; empty for other expressions."""
    if isinstance(owner, ast.Call) and dotted(owner.func) == "super":
        return "super()"
    return dotted(owner)


def _defined_by(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement in the body of a class gives to it, or its slots to objects."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=slots)):
            yield from (each.value for each in slots if isinstance(each, ast.Constant))
        case ast.Assign(targets=targets):
            yield from map(dotted, targets)
        case ast.AnnAssign(target=target):
            yield dotted(target)


def _kinds(file: File, owner: str) -> set[str]:
    """The classes that a variable has, wherever the file has one of that name."""
    kinds = set[str]()
    for each in file.types.get(owner, ()) if owner else ():
        kinds |= file.types.get(each) or {each.removesuffix("()")}
    return kinds


def _may_be_a_library_s(file: File, kind: str) -> bool:
    module = file.known.get(kind, ("", ""))[0]
    return kind in ("Any", "object") or module.partition(".")[0] in UNDOCUMENTED


@cache
def _private_names_of_libraries() -> frozenset[str]:
    """Every private name in the sources of the libraries."""
    found = set[str]()
    for library in UNDOCUMENTED:
        spec = find_spec(library)
        for folder in (spec and spec.submodule_search_locations) or ():
            for file in Path(folder).rglob("*.py"):
                found.update(_NAMED.findall(file.read_text("utf-8")))
    return frozenset(found)


@cache
def _loaded(module: str, name: str) -> list[object]:
    """What has this name in a module; nothing where only another machine has the library."""
    try:
        found: object = importlib.import_module(module)
        for part in filter(None, name.split(".")):
            if not hasattr(found, part):
                importlib.import_module(f"{module}.{part}")
            found = getattr(found, part)
    except ModuleNotFoundError:
        return []
    return [found]


@cache
def _members_of(base: object) -> frozenset[str]:
    """What a class has, and what its objects may get."""
    found = set(dir(base))
    for each in getattr(base, "__mro__", ()):
        file = getattr(sys.modules.get(each.__module__), "__file__", None) or ""
        if file.endswith(".py"):
            found.update(_OF_SELF.findall(Path(file).read_text("utf-8")))
    return frozenset(found)
