"""A child process seen from outside: its messages, its memory, and ending its process group."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import psutil

_ROOT = Path(__file__).parents[3]  # where `python -m providers...` finds its package
_READ_BYTES = 65536
_TAIL_BYTES = 4000


class ChildProcess:
    """`python -m module` in its own process group; the end of the `with` block kills all of it.

    The first line of its stdin is `request`; after that stdin stays open and silent.
    """

    def __init__(self, module: str, request: Mapping[str, Any], *, workdir: Path) -> None:
        self._log = workdir / "engine.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                # Whoever forbids us to write compiled modules forbids it to our children.
                [sys.executable, *(["-B"] if sys.dont_write_bytecode else []), "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=_ROOT,
                # Our environment is not inherited: it holds keys and passwords.
                env={"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(workdir)},
                start_new_session=True,
            )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._unfinished_line = b""
        self.ended = False
        with suppress(BrokenPipeError):  # a child that died at once is noticed by its silence
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()

    def __enter__(self) -> ChildProcess:
        return self

    def messages(self, *, wait_seconds: float) -> list[dict[str, Any]]:
        """The child's messages, waiting at most `wait_seconds`; sets `ended` when it ends."""
        if not self._selector.select(wait_seconds):
            return []
        read = os.read(self._stdout.fileno(), _READ_BYTES)
        self.ended = not read
        *lines, self._unfinished_line = (self._unfinished_line + read).split(b"\n")
        return [json.loads(line) for line in lines]

    def memory_bytes(self) -> int:
        """Resident memory of the child and everything it has started."""
        try:
            child = psutil.Process(self._process.pid)
            family = [child, *child.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        return sum(_resident(process) for process in family)

    def end(self) -> str:
        """Kill what is left of the process group; returns last output and exit status, for the log.

        The group is killed before the child is reaped, while its id cannot be reused.
        """
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        words = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        return f"exit status {status}; {words}" if words else f"exit status {status}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self.end()
        self._selector.close()
        self._stdout.close()
        with suppress(BrokenPipeError):
            self._stdin.close()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
