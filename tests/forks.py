"""Starts our programs as processes forked from one that has imported what they import.

The imports of a server take two and a half seconds of CPU, and a run of the tests starts more than
a hundred servers, workers and commands. `python -m tests.forks` is the process that they are forked
from: it has no threads, no settings and no connections. What it forks runs the program's own entry
point, with arguments, environment, folder and output of its own, in a session of its own, and ends
with this process at the latest.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import configure_mappers

from local.processes import ROOT, Child, follow_parent

# What the programs would import; `web` first, which silences a warning of connexion.
MODULES = (
    "web.app",
    "handlers",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gasgi",
    "cli",
    "worker.loop",
    "worker.remote",
    "worker.duties",
)
POLL_SECONDS = 0.01


class ForkedChild(Child):
    """A Child without imports of its own; its arguments are `-m` and a module, or a file."""

    def _begin(self, environ: Mapping[str, str]) -> Forked:
        folder = self.program.folder
        return fork(self.program.arguments, environ=environ, folder=folder, output=self.log)


class Forked:
    """A forked process, with the methods of subprocess.Popen that its users call."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self._code is None:
            self._code = _server().ask(poll=self.pid)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; subprocess.TimeoutExpired when it still runs after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it has ended; until poll() knows, its number stays its own."""
        if self.poll() is None:
            os.kill(self.pid, signum)


def fork(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    output: Path,
    errors: Path | None = None,
    folder: Path = ROOT,
) -> Forked:
    """Start what Python runs with these arguments; without `errors` all it says is in `output`."""
    order = {
        "arguments": [*arguments],
        "environ": {**environ},
        "folder": str(folder),
        "output": str(output),
        "errors": str(errors or output),
    }
    return Forked(_server().ask(start=order))


class _Server:
    """The process that forks; any number of threads may ask it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._turn = threading.Lock()

    def ask(self, **order: Any) -> Any:
        """Give one order; what it answers."""
        with self._turn:
            self._process.stdin.write(f"{json.dumps(order)}\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and with it what still runs."""
        with self._process as process:
            process.stdin.close()


@cache
def _server() -> _Server:
    return _Server()


def close() -> None:
    """End the fork server, if this process has used it."""
    if _server.cache_info().currsize:
        _server().close()
        _server.cache_clear()


def _serve() -> list[str]:
    """Carry out orders until there are no more; in each forked process, the arguments to run."""
    for name in MODULES:
        importlib.import_module(name)
    configure_mappers()
    gc.collect()
    gc.freeze()  # collections in the forked ones need not look at what never goes
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            ended, status = os.waitpid(order["poll"], os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if ended else "null", flush=True)
            continue
        follow = follow_parent(signal.SIGTERM)
        if os.fork() == 0:
            os.setsid()
            follow()
            print(os.getpid(), flush=True)  # not before it leads a group, which may be killed
            return _prepare(**order["start"])
    return []


def _prepare(
    *, arguments: list[str], environ: dict[str, str], folder: str, output: str, errors: str
) -> list[str]:
    if namespace := environ.get("NETWORK_NAMESPACE"):  # see local/machines.py
        with open(f"/run/netns/{namespace}") as there:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "cannot enter the namespace")
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    append = os.O_WRONLY | os.O_APPEND
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (output, append), (errors, append))
    ):
        file = os.open(path, flags)
        os.dup2(file, number)
        os.close(file)
    return arguments


def _run(arguments: list[str]) -> None:
    """As Python does with the arguments of its command line."""
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        _leave.code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        raise
    except BaseException:
        _leave.code = 1
        raise


class _Leave:
    """Ends a process without the clearing of its modules, which costs a tenth of a second."""

    code = 0

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


_leave = _Leave()

if __name__ == "__main__":
    # Registered first, so called last: all threads and other callbacks have ended by then.
    atexit.register(_leave)
    if arguments := _serve():
        _run(arguments)
