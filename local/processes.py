"""Child processes: logged to a file, waited for in bounded time, stopped within a deadline, killed
with their parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
TAIL_LINES = 15
ROOT = Path(__file__).parents[1]
BECOME = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True)
class Program:
    """One of our programs: its name, the arguments of Python, the seconds it may stop for, and the
    folder in which it starts, whose code it is.
    """

    name: str
    arguments: tuple[str, ...]
    stop_seconds: float
    folder: Path = ROOT

    @classmethod
    def other(
        cls, name: str, command: Sequence[str], stop_seconds: float, folder: Path = ROOT
    ) -> Program:
        """One that is not ours, by its path. Python becomes it, so that it ends with us."""
        return cls(name, ("-c", BECOME, *command), stop_seconds, folder)


class Process(Protocol):
    """What is needed of a started program; subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


class ChildError(RuntimeError):
    """A program ended, or did not do in time what was waited for; the text has its last lines."""


class Child:
    """A running program; what it says goes to `<name>.log` in the folder `logs`.

    The log of the run before is kept as `<name>.previous.log`. It must be started by a thread that
    lives as long as the program is needed: on Linux it gets SIGTERM when that thread ends.
    """

    def __init__(self, program: Program, *, environ: Mapping[str, str], logs: Path) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        self.log.touch()
        self._process = self._begin(environ)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", errors="replace")

    def processes(self) -> list[psutil.Process]:
        """All its processes now, itself first; none when it has ended."""
        if self.exit_code() is not None:
            return []
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_until(self, fact: Callable[[], object], seconds: float) -> None:
        """Wait for a fact about it; ChildError when it ends before that, or takes longer."""

        def is_so() -> bool:
            if fact():
                return True
            if (code := self.exit_code()) is not None:
                raise ChildError(f"{self.program.name} ended with code {code}:\n{tail(self.log)}")
            return False

        if not comes_true(is_so, seconds):
            late = f"{self.program.name} is not so far after {seconds:.0f} s"
            raise ChildError(f"{late}:\n{tail(self.log)}")

    def send_signal(self, signum: int) -> None:
        """Send a signal to it, not to what it started."""
        self._process.send_signal(signum)

    def wait(self, seconds: float) -> int:
        """Its exit code; subprocess.TimeoutExpired when it still runs after so many seconds."""
        return self._process.wait(seconds)

    def stop(self) -> bool:
        """SIGTERM, its time to finish, then SIGKILL to all it left; whether it went by itself."""
        in_time = True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
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

    def _begin(self, environ: Mapping[str, str]) -> Process:
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 our own program
                [sys.executable, *self.program.arguments],
                cwd=self.program.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us, who stop one after the other; and a group can be ended whole.
                start_new_session=True,
                preexec_fn=follow_parent(signal.SIGTERM),
            )


def comes_true(fact: Callable[[], object], seconds: float) -> bool:
    """Wait until `fact` holds; False when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


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
