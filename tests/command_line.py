"""Runs commands of cli.py quickly, each in a process forked from one that has imported them.

A new process spends most of a second on its imports; tests need dozens.
`python -m tests.command_line` reads a JSON list of arguments per line, and answers in JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import configure_mappers

import cli
from tests.wire import ROOT


class CommandLine:
    """An operator's terminal; runs one command at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; its exit code, output and errors."""
        self._process.stdin.write(f"{json.dumps(arguments)}\n")
        self._process.stdin.flush()
        code, output, errors = json.loads(self._process.stdout.readline())
        return code, output.strip(), errors.strip()


@contextmanager
def command_line(**environ: str) -> Iterator[CommandLine]:
    """A terminal with these settings."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.command_line"],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield CommandLine(process)
        process.stdin.close()


def say(cli: CommandLine, *arguments: str) -> str:
    """Run a command that must succeed without errors; its output."""
    code, output, complaint = cli.run(*arguments)
    assert (code, complaint) == (0, ""), complaint
    return output


def _serve() -> None:
    configure_mappers()  # once, not in every child
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                sys.argv = ["cli.py", *json.loads(line)]
                os._exit(_run())  # without the slow shutdown of the interpreter
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            for each in (output, errors):
                each.seek(0)
            print(json.dumps([code, output.read().decode(), errors.read().decode()]), flush=True)


def _run() -> int:
    """Run the command in sys.argv and flush its output; its exit code."""
    code: str | int | None = 1
    try:
        code = cli.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)


if __name__ == "__main__":
    _serve()
