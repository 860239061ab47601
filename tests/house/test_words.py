"""No file depends on the machine it was written on, no lock on where packages came from, and
nothing is named `told`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.code import ROOT, Source

SKIPPED = {".env", ".git", ".hypothesis", ".venv", "var"}
TEXTS = {"", ".cfg", ".ini", ".json", ".mako", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
# An absolute path into somebody's home: it exists on one machine only.
HOME = re.compile(r"(?<![\w./:<>-])(?:/home/|/Users/|[A-Z]:\\Users\\)\w")
# pip and npm know where packages come from; a lock that repeats it bypasses their mirrors.
ORIGIN = re.compile(r'^--[a-z-]*(?:index-url|find-links)\b| @ \w+://|"resolved":', re.MULTILINE)
# What is told is news, a cost, a moment, a chat...: whoever reads the name has to look which.
UNWANTED = "told"
NAMES = ("id", "attr", "arg", "name", "asname", "rest")  # the fields of syntax nodes that hold one
LOCKS = [
    *(ROOT / "requirements").glob("*.txt"),
    *(ROOT / "lab").rglob("requirements.txt"),
    ROOT / "lab/judge/audit.txt",
    ROOT / "lab/judge/package-lock.json",
]


def written() -> list[tuple[str, str]]:
    """Name and text of every file that people wrote."""
    found = []
    for folder in ROOT.iterdir():
        if folder.name not in SKIPPED and not folder.name.endswith("_cache"):
            files = [folder] if folder.is_file() else folder.rglob("*")
            by_people = (f for f in files if "node_modules" not in f.parts)
            texts = (f for f in by_people if f.suffix in TEXTS and f.is_file())
            found += [(str(f.relative_to(ROOT)), f.read_text("utf-8", "replace")) for f in texts]
    return found


def test_no_file_holds_a_path_into_a_home() -> None:
    assert [name for name, text in written() if HOME.search(text)] == []


def named_told(source: Source) -> list[str]:
    """Where a file names a variable, parameter, function, class, attribute or module `told`."""
    return [
        source.at(node)
        for node in source.nodes(ast.AST)
        if any(str(getattr(node, name, "")).strip("_").lower() == UNWANTED for name in NAMES)
    ]


def test_nothing_is_named_told() -> None:
    files = [Source(name, text) for name, text in written() if name.endswith(".py")]
    # Most files are not even parsed, which takes seconds.
    suspects = [file for file in files if UNWANTED in file.text.lower()]
    assert [found for file in suspects for found in named_told(file)] == []


@pytest.mark.parametrize(
    "code",
    [
        "TOLD = news()",
        "for told in news: pass",
        "def f(*, _told): pass",
        "def told(): pass",
        "class Told: pass",
        "way.told",
        "Way(told={})",
        "import news as told",
        "match news:\n    case {**told}: pass",
    ],
)
def test_a_planted_name_is_found(code: str) -> None:
    assert named_told(Source("planted.py", code))


def test_prose_may_tell() -> None:
    prose = '"""Who was told."""\ntold_twice = is_told  # told'
    assert named_told(Source("planted.py", prose)) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_does_not_say_where_packages_come_from(lock: Path) -> None:
    assert ORIGIN.findall(lock.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (HOME, "python " + "/home" + "/anna/live-photo/cli.py"),
        (HOME, "see " + "/Users" + "/anna/notes.txt"),
        (ORIGIN, "flask==3.1\n--index-url https://packages.example/simple"),
        (ORIGIN, "--extra-index-url https://packages.example/simple"),
        (ORIGIN, "flask @ https://packages.example/flask.whl"),
        (ORIGIN, '      "resolved": "https://packages.example/a.tgz",'),
    ],
)
def test_a_planted_one_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
