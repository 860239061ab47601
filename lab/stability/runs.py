"""One whole run of the tests, and what keeps the machine busy meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

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
    make = shutil.which("make")
    if make is None:
        raise RuntimeError("make is not installed; on Debian: apt install make")
    command = (make, "--no-print-directory", "test", f"ARGS={chosen}")
    started = time.monotonic()
    run = Child(
        Program.other(f"run-{number}", command, STOP_SECONDS), environ=os.environ, logs=FOLDER
    )
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(limit_seconds)
    finally:
        _end(run)
    return time.monotonic() - started


def _end(run: Child) -> None:
    """Interrupt it, as Ctrl-C does, so that the tests stop what they started; then kill it."""
    if run.exit_code() is None:
        os.killpg(run.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(STOP_SECONDS)
    run.kill()
