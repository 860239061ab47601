"""Runs commands of cli.py, each in a process of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import forks
from tests.databases import past_the_pooler
from tests.live import unchanged

COMMAND_SECONDS = 60


class CommandLine:
    """An operator's terminal; runs one command at a time."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self._environ = environ
        self._output, self._errors = folder / "output", folder / "errors"

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; its exit code, output and errors."""
        said = self._output, self._errors
        for each in said:
            each.write_bytes(b"")
        command = forks.fork(
            ["cli.py", *arguments],
            environ={**os.environ, **self._environ},
            output=self._output,
            errors=self._errors,
        )
        code = command.wait(COMMAND_SECONDS)
        output, errors = (each.read_text("utf-8").strip() for each in said)
        return code, output, errors


@contextmanager
def command_line(**environ: str) -> Iterator[CommandLine]:
    """A terminal with these settings."""
    with tempfile.TemporaryDirectory() as folder:
        yield CommandLine(past_the_pooler(environ), Path(folder))


def say(cli: CommandLine, *arguments: str) -> str:
    """Run a command that must succeed without errors; its output."""
    code, output, complaint = cli.run(*arguments)
    assert (code, complaint) == (0, ""), complaint
    return output


def complain(cli: CommandLine, *arguments: str, code: int = 1) -> str:
    """Run a command that must fail without effect; its one-line error."""
    with unchanged():
        ended, output, complaint = cli.run(*arguments)
    assert (ended, output) == (code, ""), (arguments, output, complaint)
    assert complaint.startswith("error: ") and "\n" not in complaint, complaint
    return complaint.removeprefix("error: ")


def cells(table: str) -> list[list[str]]:
    """Rows of a printed table without its head, split into words."""
    return [line.split() for line in table.splitlines()[1:]]
