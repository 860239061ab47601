"""No file depends on the machine or the network it was written on."""

from __future__ import annotations

import pytest

from tests.house.code import ROOT

SKIPPED = {".env", ".git", ".hypothesis", ".venv", "var"}
TEXTS = {"", ".cfg", ".ini", ".json", ".mako", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
# Written in two pieces, or this file itself would be found. The machine's package tools know where
# packages come from; a name written down here would bypass its mirror.
FORBIDDEN = (
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.debian" + ".org",
    "/wo" + "rk/",
)


def written() -> list[tuple[str, str]]:
    """Name and text of every file that people wrote."""
    found = []
    for folder in ROOT.iterdir():
        if folder.name not in SKIPPED and not folder.name.endswith("_cache"):
            files = [folder] if folder.is_file() else folder.rglob("*")
            ours = (f for f in files if "node_modules" not in f.parts)
            texts = (f for f in ours if f.suffix in TEXTS and f.is_file())
            found += [(str(f.relative_to(ROOT)), f.read_text("utf-8", "replace")) for f in texts]
    return found


@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_file_names(word: str) -> None:
    assert [name for name, text in written() if word in text] == []
