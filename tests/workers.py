"""Workers as processes, with an engine that takes milliseconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from local.processes import Child, Program
from tests.databases import past_the_pooler
from tests.forks import ForkedChild

START_SECONDS = 60
STOP_SECONDS = 30
_numbers = count(1)


def start_worker(
    logs: Path, *arguments: str, module: str = "lab.chaos.quick_worker", **environ: str
) -> Child:
    """Start one; it takes a while until it works, see has_started()."""
    program = Program(f"worker-{next(_numbers)}", ("-m", module, *arguments), STOP_SECONDS)
    environ = {**os.environ, "JOB_LEASE_SECONDS": "2", **past_the_pooler(environ)}
    return ForkedChild(program, environ=environ, logs=logs)


def has_started(worker: Child) -> bool:
    """Whether it works, and stops in order when it is asked to."""
    return "worker started" in worker.said()


@contextmanager
def working(logs: Path, **environ: str) -> Iterator[Child]:
    """A worker during the block; at its start it runs all its duties once."""
    with start_worker(logs, **environ) as worker:
        worker.wait_until(lambda: has_started(worker), START_SECONDS)
        yield worker
        assert worker.stop() and worker.exit_code() == 0, worker.said()
