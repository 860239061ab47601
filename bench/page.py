"""Puts what a bench has measured into docs/quality.md, between two comments of its own."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "quality.md"


def put(name: str, title: str, text: str) -> None:
    """Replace the section of `name`, or add it at the end under `title`."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    page = PAGE.read_text("utf-8")
    if begin in page:
        before, _, rest = page.partition(begin)
        page = before + section + rest.partition(end)[2]
    else:
        page = f"{page.rstrip()}\n\n## {title}\n\n{section}\n"
    PAGE.write_text(page, "utf-8")


def about(command: str) -> str:
    """When, by which command and on what."""
    return f"`{command}` on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
