"""Tests and files named in docs/security.md exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.code import ROOT

TEXT = (ROOT / "docs/security.md").read_text("utf-8")
TESTS = re.findall(r"`(tests/[\w/]+\.py)(?:: (\w+))?`", TEXT)
FILES = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|toml))[`:]", TEXT))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_a_test_that_is_promised_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    tests = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    assert (name or next(each for each in tests if each.startswith("test_"))) in tests


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_file_that_is_named_exists(file: str) -> None:
    assert (ROOT / file).is_file()


def test_every_defence_has_a_file_and_a_test() -> None:
    table = TEXT.partition("## What is defended")[2].partition("## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for _, attack, _, test, _ in rows:
        assert re.search(r"`(tests/|make |ruff)", test), attack
