"""The faults: each is a generator that yields the seconds to its next step.

What they hit depends on the machine; which occur when is drawn from a seed (schedule.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from lab.chaos.sandbox_control import ENGINES, PROVIDERS, SandboxControl
from lab.chaos.system import Part, System
from local.pgbouncer import Pooler
from local.stack import StackError

# Larger than the log of any part, smaller than the large photos.
FILE_BYTES = 200_000
# Of Linux, see renameat2(2): relative to the working directory, both names at once.
AT_FDCWD = -100
RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class Target:
    """What faults act on."""

    system: System
    control: SandboxControl
    chance: Random


Fault = Callable[[Target], Iterator[float]]


def kill_a_server_process(target: Target) -> Iterator[float]:
    """kill -9 a child of gunicorn, which starts another one."""
    _victim(target.system.servers, target.chance).kill_a_process(target.chance)
    yield 0


def kill_a_server(target: Target) -> Iterator[float]:
    """kill -9 a whole gunicorn, then start it again."""
    server = _victim(target.system.servers, target.chance)
    server.kill()
    yield target.chance.uniform(0, 1)
    server.restart()


def kill_a_worker(target: Target) -> Iterator[float]:
    """kill -9 a worker with its engine, then start it again."""
    worker = _victim(target.system.workers, target.chance)
    worker.kill()
    yield target.chance.uniform(0, 1)
    worker.restart()


def stop_postgres(target: Target) -> Iterator[float]:
    """Stop it as an operator does: sessions end, transactions roll back."""
    target.system.postgres.stop()
    yield target.chance.uniform(0.5, 4)
    target.system.start_postgres()


def kill_postgres(target: Target) -> Iterator[float]:
    """kill -9, as a power cut does: it recovers from its log."""
    target.system.postgres.kill()
    yield target.chance.uniform(0.5, 4)
    target.system.start_postgres()


def freeze_postgres(target: Target) -> Iterator[float]:
    """Let it accept connections and answer nobody."""
    with target.system.frozen_postgres():
        yield 5


def kill_a_pooler(target: Target) -> Iterator[float]:
    """kill -9 PgBouncer: its clients and its sessions are cut off."""
    pooler = _pooler(target)
    pooler.kill()
    yield target.chance.uniform(0, 3)
    pooler.start()


def freeze_a_pooler(target: Target) -> Iterator[float]:
    """Let PgBouncer accept connections and answer nobody."""
    pooler = _pooler(target)
    pooler.freeze()
    try:
        yield 5
    finally:
        pooler.thaw()


def _pooler(target: Target) -> Pooler:
    if target.system.pooler is None:
        raise RuntimeError("there is no pooler")
    return target.system.pooler


def hang_a_provider(target: Target) -> Iterator[float]:
    """Let its API answer too late, sometimes after carrying out the call."""
    yield from _inject_fault(target, "hang", seconds=target.chance.uniform(3, 12))


def break_a_provider(target: Target) -> Iterator[float]:
    """Let its API drop connections, answer 500, 503, 429, or with the page of a proxy."""
    kind = target.chance.choice(("drop", "html", "status"))
    yield from _inject_fault(target, kind, status=target.chance.choice((500, 503, 429)))


def _inject_fault(target: Target, kind: str, **script: float) -> Iterator[float]:
    provider, after = target.chance.choice(PROVIDERS), target.chance.random() < 0.5
    target.control.inject_fault(provider, kind, times=30, after=after, **script)
    yield 6
    target.control.reset()


def hold_back_webhooks(target: Target) -> Iterator[float]:
    """Hold all payment events back, then send them at once, each three times."""
    for provider in PROVIDERS:
        target.control.set_delivery(provider, paused=True, copies=3)
    yield 5
    for provider in PROVIDERS:
        target.control.set_delivery(provider, paused=False)
    yield 3
    target.control.reset()


def delay_webhooks(target: Target) -> Iterator[float]:
    """Send events seconds late, and each twice."""
    for provider in PROVIDERS:
        target.control.set_delivery(provider, delay=2.0, copies=2)
    yield 8
    target.control.reset()


def lose_answers_of_an_engine(target: Target) -> Iterator[float]:
    """Let an engine accept orders and lose its answers, or drop them before."""
    engine, after = target.chance.choice(ENGINES), target.chance.random() < 0.7
    kind = target.chance.choice(("drop", "html", "status"))
    target.control.inject_fault(engine, kind, call="create", times=6, after=after, status=503)
    yield 6
    target.control.reset_engines()


def hang_an_engine(target: Target) -> Iterator[float]:
    """Let every call of an engine be answered late."""
    engine, seconds = target.chance.choice(ENGINES), target.chance.uniform(2, 6)
    target.control.inject_fault(engine, "hang", times=30, after=True, seconds=seconds)
    yield 8
    target.control.reset_engines()


def spoil_runs_of_an_engine(target: Target) -> Iterator[float]:
    """Let runs of an engine fail, be refused, or end with a file that is none."""
    engine = target.chance.choice(ENGINES)
    for script in ({"end": "infrastructure"}, {"end": "refused"}, {"file": "html"}):
        target.control.script_runs(engine, times=2, **script)
    yield 5


def take_credit_from_an_engine(target: Target) -> Iterator[float]:
    """Let an engine refuse all orders for want of money; then an operator pays and resumes."""
    engine = target.chance.choice(ENGINES)
    target.control.set_account(engine, "no_credit")
    yield 6
    target.control.reset_engines()
    yield 2
    while True:  # an operator whose database is away tries again
        try:
            target.system.stack.cli("engines", "resume", engine)
            return
        except StackError:
            yield 1


def refuse_new_files(target: Target) -> Iterator[float]:
    """Let no file be created."""
    with broken(target.system.files / "incoming"):
        yield target.chance.uniform(2, 4)


def refuse_finished_files(target: Target) -> Iterator[float]:
    """Let no finished file be moved into place or read."""
    with broken(target.system.files / "objects"):
        yield target.chance.uniform(2, 4)


def fill_the_disk(target: Target) -> Iterator[float]:
    """Cut large files off while they are written, as a full disk does."""
    _limit_files(target.system, FILE_BYTES)
    yield target.chance.uniform(3, 5)
    _limit_files(target.system, psutil.RLIM_INFINITY)


# Group: its faults, and how many there are in FULL_SECONDS; one at a time in each group.
GROUPS: dict[str, dict[Fault, int]] = {
    "kill -9": {kill_a_server_process: 18, kill_a_server: 15, kill_a_worker: 21},
    "database": {stop_postgres: 3, kill_postgres: 2, freeze_postgres: 2},
    "provider": {
        hang_a_provider: 5,
        break_a_provider: 6,
        hold_back_webhooks: 2,
        delay_webhooks: 2,
    },
    "engine": {
        lose_answers_of_an_engine: 8,
        hang_an_engine: 4,
        spoil_runs_of_an_engine: 5,
        take_credit_from_an_engine: 4,
    },
    "disk": {refuse_new_files: 3, refuse_finished_files: 2},
}
POOLER: dict[Fault, int] = {kill_a_pooler: 8, freeze_a_pooler: 4}  # where there is one
if sys.platform == "linux":
    GROUPS["disk"][fill_the_disk] = 3  # elsewhere a running process cannot be limited


@contextmanager
def broken(folder: Path) -> Iterator[None]:
    """Make a folder unusable, even for root, in one step."""
    aside = folder.with_suffix(".aside")
    aside.write_text("not a folder")
    _exchange(folder, aside)
    try:
        yield
    finally:
        _exchange(folder, aside)
        aside.unlink()


def _exchange(one: Path, other: Path) -> None:
    """Swap two names; atomically where the system can: a folder that is absent for microseconds
    does not look like a failed disk, and files sought in it would count as missing."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        paths = AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other)
        if libc.renameat2(*paths, RENAME_EXCHANGE) == 0:
            return
    between = one.with_suffix(".between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def words(fault: Fault) -> str:
    """A fault's name for the report."""
    name = fault.__name__.replace("_", " ").replace("kill a", "kill -9 of a")
    return name.replace("kill postgres", "kill -9 of postgres").replace("postgres", "PostgreSQL")


def _victim(parts: list[Part], chance: Random) -> Part:
    """A running part, preferably one that has been up for a while: killing one that is still
    starting proves nothing."""
    running = [part for part in parts if part.up_seconds] or parts
    return chance.choices(running, [part.up_seconds + 0.1 for part in running])[0]


def _limit_files(system: System, size: int) -> None:
    for part in system.parts:
        for process in part.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
