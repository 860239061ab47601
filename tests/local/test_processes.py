"""Child processes: what they say is kept, waits for them end, and none outlives its deadline."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from local.processes import Child, ChildError, Program

GREETS = "import time; print('здравствуй', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {GREETS}"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {GREETS!r}])
"""


class Starter:
    """Starts programs that are stopped when the test ends."""

    def __init__(self, logs: Path, stack: ExitStack) -> None:
        self.logs = logs
        self._stack = stack

    def start(self, code: str, name: str = "program", stop_seconds: float = 0.5) -> Child:
        program = Program(name, ("-c", code), stop_seconds)
        child = Child(program, environ={"PYTHONUTF8": "1"}, logs=self.logs)
        self._stack.callback(child.kill)
        return child

    def greeted(self, code: str, name: str = "program") -> Child:
        """Start one and wait until it has said something."""
        child = self.start(code, name)
        child.wait_until(child.said, 30)
        return child


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    with ExitStack() as stack:
        yield Starter(tmp_path, stack)


def test_what_it_says_is_in_its_log_and_that_of_the_run_before_is_kept(starter: Starter) -> None:
    first = starter.greeted(GREETS)
    assert first.said() == "здравствуй\n"
    first.kill()
    starter.start("print('again')").wait(30)
    assert first.log.read_text("utf-8") == "again\n"
    assert (starter.logs / "program.previous.log").read_text("utf-8") == "здравствуй\n"


def test_a_wait_ends_with_the_fact_or_with_the_program(starter: Starter) -> None:
    child = starter.start("raise SystemExit('no such setting')")
    with pytest.raises(ChildError, match="program ended with code 1:\nno such setting"):
        child.wait_until(lambda: False, 30)
    child = starter.greeted(GREETS)
    with pytest.raises(ChildError, match="program is not so far after 0 s:\nздравствуй"):
        child.wait_until(lambda: False, 0.1)


def test_who_stops_in_time_is_not_killed_and_who_does_not_is(starter: Starter) -> None:
    willing = starter.greeted(GREETS, name="willing")
    assert willing.exit_code() is None
    assert willing.stop() and willing.exit_code() == -signal.SIGTERM
    deaf = starter.greeted(DEAF, name="deaf")
    assert not deaf.stop() and deaf.exit_code() == -signal.SIGKILL


def test_what_it_started_ends_with_it(starter: Starter) -> None:
    child = starter.greeted(PARENT)
    parent, grandchild = child.processes()
    assert parent.pid == child.pid
    child.kill()
    assert child.processes() == []
    gone, alive = psutil.wait_procs([grandchild], timeout=30)
    assert gone and not alive
