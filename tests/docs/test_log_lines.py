"""A log line that a document quotes, as log `its text`, is one that some program writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.code import ROOT, called, sources
from tests.house.documents import DOCUMENTS

# What comes after dots are words of others, such as Telegram's.
QUOTED = re.compile(r"\blog(?: line)? `(?!\.\.\.)([^`]+?)(?:\.\.\.[^`]*)?`", re.IGNORECASE)
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
WRITTEN = {
    argument.value
    for source in sources()
    for call in source.nodes(ast.Call)
    for argument in call.args
    if called(call) in LEVELS
    and isinstance(argument, ast.Constant)
    and isinstance(argument.value, str)
}


def unknown(document: str) -> list[str]:
    return [
        line for line in QUOTED.findall(document) if not any(_is(line, each) for each in WRITTEN)
    ]


def _is(line: str, template: str) -> bool:
    """Whether the line is this one, or its beginning; whatever stands for a value may be there."""
    fixed, values, _ = template.partition("%")
    return template.startswith(line) or (values != "" != fixed and line.startswith(fixed))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_log_line_that_a_document_quotes_is_written(document: Path) -> None:
    assert unknown(document.read_text("utf-8")) == []


def test_a_wrong_log_line_is_found() -> None:
    known = "the log line `provider call`, log `Telegram refuses the bot: getChat: ... not found`"
    assert unknown(f"{known}, and the log line `provider calls`") == ["provider calls"]
