"""A forked program is what it would be if it had been started from scratch."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from local.processes import Child, Program
from tests.forks import ForkedChild

TELLS = """
import json, os, sys, threading
leads, threads = os.getsid(0) == os.getpgid(0) == os.getpid(), threading.active_count()
said = [__name__, sys.argv, dict(os.environ), os.getcwd(), sys.stdin.read(), leads, threads]
print(json.dumps(said), flush=True)
sys.exit("that is all")
"""
SLEEPS = "import time; print('here', flush=True); time.sleep(600)"
STARTS_ANOTHER = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {SLEEPS!r}])
"""


def start(folder: Path, code: str, kind: type[Child] = ForkedChild) -> Child:
    (folder / "program.py").write_text(code)
    program = Program(kind.__name__, ("program.py", "an argument"), 30, folder)
    environ = {"PATH": os.environ["PATH"], "LC_CTYPE": "C.UTF-8", "ONLY": "this"}
    return kind(program, environ=environ, logs=folder)


def test_it_finds_the_same_and_ends_the_same(tmp_path: Path) -> None:
    forked, scratch = (start(tmp_path, TELLS, kind) for kind in (ForkedChild, Child))
    assert forked.wait(60) == scratch.wait(60) == 1
    assert forked.said() == scratch.said()
    assert forked.said().endswith("that is all\n")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(tmp_path: Path, signum: int) -> None:
    child = start(tmp_path, SLEEPS)
    child.wait_until(child.said, 60)
    assert child.exit_code() is None
    child.send_signal(signum)
    assert child.wait(60) == -signum
    child.send_signal(signum)  # to nobody


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    child = start(tmp_path, STARTS_ANOTHER)
    child.wait_until(child.said, 60)
    _, another = child.processes()
    child.kill()
    assert child.exit_code() == -signal.SIGKILL and child.processes() == []
    gone, alive = psutil.wait_procs([another], timeout=60)
    assert gone and not alive


def test_it_can_be_killed_as_soon_as_it_is_started(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEPS)
    child.kill()
    assert child.exit_code() == -signal.SIGKILL
