"""Writes results into docs/quality.md, each section between its own pair of comments."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "quality.md"


def put(name: str, text: str, *, page: Path = PAGE) -> None:
    """Replace the text between the two comments of `name`. LookupError without them."""
    begin, end = rf"<!-- {name}: begin -->\n", rf"\n<!-- {name}: end -->"
    section = re.compile(f"({begin}).*?({end})", re.DOTALL)
    old = page.read_text("utf-8")
    if not section.search(old):
        raise LookupError(f"{page} has no place for {name}")
    page.write_text(section.sub(lambda found: found[1] + text.strip() + found[2], old), "utf-8")


def about(command: str) -> str:
    """The command, the date and the Python version."""
    return f"`{command}` on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
