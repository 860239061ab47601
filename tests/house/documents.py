"""The files of the project, the documents among them, and how their headings are linked."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.code import ROOT


def files() -> list[Path]:
    """All our files; tools keep theirs in folders that start with a dot."""
    return [path for path in ROOT.glob("*") if path.is_file()] + [
        path
        for top in ROOT.iterdir()
        if top.is_dir() and not is_foreign(top.name)
        for path in top.rglob("*")
        if path.is_file() and not any(map(is_foreign, path.relative_to(ROOT).parts[:-1]))
    ]


def is_foreign(folder: str) -> bool:
    """Whether a folder of this name is not ours."""
    return folder.startswith(".") or folder in {"node_modules", "var", "__pycache__"}


DOCUMENTS = sorted(path for path in files() if path.suffix == ".md")


def anchors(document: str) -> set[str]:
    """Names by which a heading can be linked, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
