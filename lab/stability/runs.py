"""One whole run of the tests, and what keeps the machine busy meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from local.processes import ROOT, Child, Program

FOLDER = ROOT / "var/stability"
STOP_SECONDS = 60
BUSY = "while True: pass"


def keep_busy(number: int) -> Child:
    """A program that takes all the processor time it can get, until it is stopped."""
    program = Program(f"busy-{number}", ("-c", BUSY), stop_seconds=1)
    return Child(program, environ=os.environ, logs=FOLDER)


def run_tests(number: int, arguments: Sequence[str], *, limit_seconds: float) -> float:
    """Run `make test` as a newcomer does, with its output in a file of the run; its seconds.

    After limit_seconds it is ended, with all its processes, and so has no report.
    """
    report = FOLDER / f"run-{number}.xml"
    chosen = shlex.join([f"--junitxml={report}", *arguments])
    started = time.monotonic()
    with log_of(number).open("wb") as log:
        process = subprocess.Popen(
            ["make", "--no-print-directory", "test", f"ARGS={chosen}"],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            _end(process)
        except BaseException:
            _end(process)
            raise
    return time.monotonic() - started


def log_of(number: int) -> Path:
    """The output of a run."""
    return FOLDER / f"run-{number}.log"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it, as Ctrl-C does, so that the tests stop what they started; then kill it."""
    for signum, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
