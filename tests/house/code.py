"""The project's own code as syntax trees, for rules that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
ROOMS = (
    "bot",
    "commands",
    "console",
    "db",
    "handlers",
    "images",
    "local",
    "providers",
    "services",
    "settings",
    "spec",
    "telemetry",
    "web",
    "worker",
    "workflows",
)
# Code that does not run in production; benches and tests are long lists of cases.
ASIDE = (
    *("clients/python/generator", "clients/python/livephoto_client"),
    *("lab/chaos", "lab/failover", "lab/judge", "lab/restore", "lab/stability"),
    *("lab/training", "lab/upgrade"),
)

N = TypeVar("N", bound=ast.AST)


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is its path from the root."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def room(self) -> str:
        """Its top-level folder, empty for files at the root."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    def nodes(self, *kinds: type[N]) -> Iterator[N]:
        """All of these kinds, in no order."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def at(self, node: ast.AST) -> str:
        """The location of a finding, as editors link it."""
        return f"{self.name}:{getattr(node, 'lineno', 0)}"


def sources() -> list[Source]:
    """What runs in production: the rooms and the files at the root."""
    return _read([*ROOT.glob("*.py"), *(f for room in ROOMS for f in (ROOT / room).rglob("*.py"))])


def sources_aside() -> list[Source]:
    """What does not run in production."""
    return _read([f for room in ASIDE for f in (ROOT / room).glob("*.py")])


def sources_of(room: str) -> list[Source]:
    """Every file of one room."""
    return _read([*(ROOT / room).rglob("*.py")])


def _read(files: list[Path]) -> list[Source]:
    return [Source(str(f.relative_to(ROOT)), f.read_text("utf-8")) for f in sorted(files)]


def dotted(node: ast.AST) -> str:
    """`a.b.c` for the expression a.b.c, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (parent := dotted(node.value)):
        return f"{parent}.{node.attr}"
    return ""


def called(call: ast.Call) -> str:
    """The last name of what is called: `post` for ledger.post(...)."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)
