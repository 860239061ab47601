"""Parses the commands that documents tell a reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.code import ROOT

# Programs whose commands are checked; anything else in a document is prose, output or code.
PROGRAMS = (
    *("make", "python", "python3", "pip", "gunicorn", "cli.py", "docker", "npm"),
    *("cp", "curl", "pg_dump", "pg_restore"),
)
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)})\b(?!\()")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Command:
    """`environ` is assigned before its `words`; it is `whole` if it can be typed as it is."""

    document: Path
    text: str
    environ: dict[str, str]
    words: tuple[str, ...]
    whole: bool

    @property
    def program(self) -> str:
        return self.words[0].removeprefix(".venv/bin/")

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}: {self.text}"


def commands_of(document: Path) -> list[Command]:
    """Every command in its shell blocks and in its `code`."""
    text = document.read_text("utf-8")
    spans = ((span, "--" in span) for span in _spans(text))
    lines = [*((line, True) for line in _block_lines(text)), *spans]
    return [_parse(document, line, whole) for line, whole in lines if _COMMAND.match(line)]


def _block_lines(text: str) -> Iterator[str]:
    blocks = [code for language, code in _FENCE.findall(text) if language == "sh"]
    for block in [*blocks, *_INDENTED.findall(_FENCE.sub("", text))]:
        for line in block.replace("\\\n", " ").splitlines():
            yield from (each.strip() for each in line.split("&&"))


def _spans(text: str) -> Iterator[str]:
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield " ".join(span.split())


def _parse(document: Path, line: str, whole: bool) -> Command:
    words = shlex.split(line.partition(" | ")[0], comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    environ = {}
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    return Command(document, line, environ, tuple(words), whole)
