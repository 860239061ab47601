"""Statements in the documents are true."""

from __future__ import annotations

import re
from configparser import ConfigParser
from math import ceil
from pathlib import Path

import pytest

from tests.house import tables
from tests.house.code import ROOT
from tests.house.documents import anchors

README = (ROOT / "README.md").read_text("utf-8")
REFERENCE = tables.REFERENCE.read_text("utf-8")
README_MAX_LINES = 250
# A longer line, such as the row of a table, counts as the lines that it fills.
DECISION_MAX_LINES, COLUMNS = 90, 120
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "local/samples").glob("*.md"),
    *(ROOT / "clients").rglob("*.md"),
]
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def targets() -> set[str]:
    """Targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    return set(phony[1].split())


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_of_the_reference_is_true(name: str) -> None:
    assert tables.TABLES[name]() in REFERENCE, "run make format"


def test_the_table_of_what_is_kept_about_people_is_true() -> None:
    assert tables.people_table() in tables.PRIVACY.read_text("utf-8"), "run make format"


def test_the_table_of_keys_in_the_way_of_shards_is_true() -> None:
    assert tables.keys_table() in tables.SCALE.read_text("utf-8"), "run make format"


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= README_MAX_LINES


def test_every_operation_is_explained() -> None:
    assert tables.MISSING_TEXT not in REFERENCE


def test_every_make_target_has_help() -> None:
    assert {
        target for target in targets() if f"`make {target}`" not in tables.make_table()
    } == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text)):
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(
    "decision", sorted((ROOT / "docs/adr").iterdir()), ids=lambda path: path.stem
)
def test_every_decision_says_whether_it_holds(decision: Path) -> None:
    assert decision.read_text("utf-8").splitlines()[2].startswith("Status: ")


@pytest.mark.parametrize(
    "decision", sorted((ROOT / "docs/adr").iterdir()), ids=lambda path: path.stem
)
def test_every_decision_is_one_page(decision: Path) -> None:
    filled = [ceil(len(line) / COLUMNS) or 1 for line in decision.read_text("utf-8").splitlines()]
    assert sum(filled) <= DECISION_MAX_LINES


def test_no_two_decisions_have_one_number() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").iterdir()]
    assert sorted(numbers) == sorted(set(numbers)) and "".join(numbers).isdigit()


def test_every_dependency_has_its_reason() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    names = re.findall(r"^[\w.\[\]-]+", "\n".join(wanted), re.MULTILINE)
    reasons = (ROOT / "docs/adr/0002-dependencies.md").read_text("utf-8")
    assert [name for name in names if not re.search(rf"[| ]{re.escape(name)}[, ]", reasons)] == []


def test_files_named_in_the_tree_exist() -> None:
    tree = README.partition("### The tree")[2].partition("```")[2].partition("```")[0]
    names = re.findall(r"^(?:\S+(?: \S+\.py)*)", tree.strip(), re.MULTILINE)
    assert [n for line in names for n in line.split() if not (ROOT / n).exists()] == []
