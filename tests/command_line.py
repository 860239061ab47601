"""Commands of cli.py in quick succession, each in a process of its own that was forked from this.

A process from scratch spends most of a second on its imports; tests need dozens.
`python -m tests.command_line` reads a list of arguments a line, and answers in JSON.
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
    """An operator's terminal; it takes one command at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code of a command, what it says, and what it complains of."""
        self._process.stdin.write(f"{json.dumps(arguments)}\n")
        self._process.stdin.flush()
        code, said, complaint = json.loads(self._process.stdout.readline())
        return code, said.strip(), complaint.strip()


@contextmanager
def command_line(**environ: str) -> Iterator[CommandLine]:
    """A terminal where these settings are."""
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


def _serve() -> None:
    configure_mappers()  # once, not in every child
    for line in sys.stdin:
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
            child = os.fork()
            if child == 0:
                os.dup2(said.fileno(), 1)
                os.dup2(complaint.fileno(), 2)
                sys.argv = ["cli.py", *json.loads(line)]
                os._exit(_ended())  # to take the interpreter apart would take the longest
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            for each in (said, complaint):
                each.seek(0)
            print(json.dumps([code, said.read().decode(), complaint.read().decode()]), flush=True)


def _ended() -> int:
    """Exit code of the command in sys.argv; all it said is written."""
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
