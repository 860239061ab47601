"""A worker's signs of life, for whoever starts one anew that hangs: it listens at no port.

They are two moments in a file of its own, STATE_DIR/workers/<machine>-<pid>: when its loop last
went on, and when it last gave any sign; while a photo takes long, its lease beats. `worker.check`
compares them with the clock.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("worker")

FOLDER = "workers"  # in STATE_DIR


class Heartbeat:
    """The signs of this process. Where they cannot be written, the worker works on all the same."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FOLDER / f"{_stem()}{os.getpid()}"
        self._file: int | None = None
        self._turned_at = 0.0

    def __enter__(self) -> Heartbeat:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        except OSError as error:
            log.warning("heartbeat file cannot be written, worker.check will fail: %s", error)
        self.turn()
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._path.unlink(missing_ok=True)

    def turn(self) -> None:
        """The loop goes on: it looks for a job, begins a photo, has done a duty."""
        self._turned_at = time.time()
        self.beat()

    def beat(self) -> None:
        """The process is not frozen; from the thread of a lease, too."""
        if self._file is not None:
            # In place and always as long, so that a reader finds all of it at any moment.
            line = f"{self._turned_at:020.3f} {time.time():020.3f}\n"
            with suppress(OSError):
                os.pwrite(self._file, line.encode(), 0)


@dataclass(frozen=True)
class Signs:
    """What a worker said last: when its loop went on, when it gave any sign, as time.time()."""

    pid: int
    turned_at: float
    seen_at: float


def of_this_machine(state_dir: Path) -> Iterator[Signs]:
    """The signs of each worker that lives; what killed ones left is removed."""
    for path in sorted((state_dir / FOLDER).glob(f"{_stem()}*")):
        pid = path.name.removeprefix(_stem())
        if not pid.isdecimal():  # of a machine whose name goes on from ours
            continue
        if not _lives(int(pid)):
            path.unlink(missing_ok=True)
            continue
        with suppress(FileNotFoundError):  # it has just ended
            if moments := path.read_text("utf-8").split():  # none if it is just beginning
                yield Signs(int(pid), *map(float, moments))


def _stem() -> str:
    return f"{socket.gethostname()}-"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    return True
