"""Processes of ours: they say where they write, stop in bounded time and do not outlive us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
TAIL_LINES = 15


@dataclass(frozen=True)
class Program:
    """One of our programs: its name, the arguments of Python, and the seconds it may stop for."""

    name: str
    arguments: tuple[str, ...]
    stop_seconds: float


class Child:
    """A running program; what it says goes to `<name>.log` in the folder `logs`.

    The log of the run before is kept as `<name>.previous.log`.
    """

    def __init__(
        self, program: Program, *, folder: Path, environ: Mapping[str, str], logs: Path
    ) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 our own program
                [sys.executable, *program.arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us, who stop one after the other; and a group can be ended whole.
                start_new_session=True,
                preexec_fn=follow_parent(signal.SIGTERM),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self) -> bool:
        """SIGTERM, its time to finish, then SIGKILL to all it left; whether it went by itself."""
        in_time = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self.program.stop_seconds)
            except subprocess.TimeoutExpired:
                in_time = False
        self.kill()
        return in_time

    def kill(self) -> None:
        """SIGKILL to it and to all it started, but for what has a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def follow_parent(signum: int) -> Callable[[], None]:
    """A preexec_fn: on Linux the child gets `signum` when the thread that started it ends."""
    if sys.platform != "linux":
        return lambda: None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)

    return follow


def tail(log: Path) -> str:
    """The last lines of a log, and its name."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([*lines[-TAIL_LINES:], f"(from {log})"])
