"""Everything that goes wrong: each fault is a generator that yields the seconds to its next step.

Which faults there are and when is drawn from a seed; what they meet is up to the machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from chaos.crew import Crew, Place
from chaos.levers import PROVIDERS, Levers

FULL_SECONDS = 300.0
# Larger than the log of any part, smaller than the large photos.
FILE_BYTES = 200_000
TICK_SECONDS = 0.25
# Of Linux, see renameat2(2): relative to the working directory, both names at once.
AT_FDCWD = -100
RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class World:
    """What faults work on."""

    crew: Crew
    levers: Levers
    chance: Random


Fault = Callable[[World], Iterator[float]]


def kill_a_server_process(world: World) -> Iterator[float]:
    """One of the processes that answer; its gunicorn makes another one."""
    _victim(world.crew.servers, world.chance).kill_a_process(world.chance)
    yield 0


def kill_a_server(world: World) -> Iterator[float]:
    """A whole gunicorn, which then is started again."""
    server = _victim(world.crew.servers, world.chance)
    server.kill()
    yield world.chance.uniform(0, 1)
    server.fill()


def kill_a_worker(world: World) -> Iterator[float]:
    """A worker with its engine, which then is started again."""
    worker = _victim(world.crew.workers, world.chance)
    worker.kill()
    yield world.chance.uniform(0, 1)
    worker.fill()


def stop_postgres(world: World) -> Iterator[float]:
    """As its operator does: sessions are ended, transactions rolled back."""
    world.crew.postgres.stop()
    yield world.chance.uniform(0.5, 4)
    world.crew.start_postgres()


def kill_postgres(world: World) -> Iterator[float]:
    """As a power cut does: it comes up from its log."""
    world.crew.postgres.kill()
    yield world.chance.uniform(0.5, 4)
    world.crew.start_postgres()


def freeze_postgres(world: World) -> Iterator[float]:
    """It is there, takes connections, and answers nobody."""
    with world.crew.frozen_postgres():
        yield 5


def hang_a_provider(world: World) -> Iterator[float]:
    """Its API answers too late, now and then after it has done what was asked."""
    yield from _misbehave(world, "hang", seconds=world.chance.uniform(3, 12))


def break_a_provider(world: World) -> Iterator[float]:
    """Its API drops connections, answers 500, 503, 429, or with the page of a proxy."""
    kind = world.chance.choice(("drop", "html", "status"))
    yield from _misbehave(world, kind, status=world.chance.choice((500, 503, 429)))


def _misbehave(world: World, kind: str, **script: float) -> Iterator[float]:
    provider, after = world.chance.choice(PROVIDERS), world.chance.random() < 0.5
    world.levers.misbehave(provider, kind, times=30, after=after, **script)
    yield 6
    world.levers.behave()


def hold_back_webhooks(world: World) -> Iterator[float]:
    """Nothing is heard of payments, then all at once, and each event three times."""
    for provider in PROVIDERS:
        world.levers.pace(provider, paused=True, copies=3)
    yield 5
    for provider in PROVIDERS:
        world.levers.pace(provider, paused=False)
    yield 3
    world.levers.behave()


def delay_webhooks(world: World) -> Iterator[float]:
    """Events leave seconds after what they tell of, and in pairs."""
    for provider in PROVIDERS:
        world.levers.pace(provider, delay=2.0, copies=2)
    yield 8
    world.levers.behave()


def refuse_new_files(world: World) -> Iterator[float]:
    """No file can be begun."""
    with broken(world.crew.files / "incoming"):
        yield world.chance.uniform(2, 4)


def refuse_finished_files(world: World) -> Iterator[float]:
    """No file can be put in its place, none can be read."""
    with broken(world.crew.files / "objects"):
        yield world.chance.uniform(2, 4)


def fill_the_disk(world: World) -> Iterator[float]:
    """Large files are cut off while they are written, as by a disk that becomes full."""
    _limit_files(world.crew, FILE_BYTES)
    yield world.chance.uniform(3, 5)
    _limit_files(world.crew, psutil.RLIM_INFINITY)


# Room: its faults, and how many there are in FULL_SECONDS. Of one room there is one at a time.
ROOMS: dict[str, dict[Fault, int]] = {
    "kill -9": {kill_a_server_process: 18, kill_a_server: 15, kill_a_worker: 21},
    "database": {stop_postgres: 3, kill_postgres: 2, freeze_postgres: 2},
    "provider": {
        hang_a_provider: 5,
        break_a_provider: 6,
        hold_back_webhooks: 2,
        delay_webhooks: 2,
    },
    "disk": {refuse_new_files: 3, refuse_finished_files: 2},
}
if sys.platform == "linux":
    ROOMS["disk"][fill_the_disk] = 3  # elsewhere a running process cannot be limited


@contextmanager
def broken(folder: Path) -> Iterator[None]:
    """A folder that cannot be used, not even by root; from one moment to the next."""
    aside = folder.with_suffix(".aside")
    aside.write_text("not a folder")
    _exchange(folder, aside)
    try:
        yield
    finally:
        _exchange(folder, aside)
        aside.unlink()


def _exchange(one: Path, other: Path) -> None:
    """Swap two names. In one step, where the system can: a folder that is not there for some
    microseconds is no disk that fails, and what was sought in it would count as missing."""
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
    """A fault's name for people."""
    name = fault.__name__.replace("_", " ").replace("kill a", "kill -9 of a")
    return name.replace("kill postgres", "kill -9 of postgres").replace("postgres", "PostgreSQL")


Plan = dict[str, list[tuple[float, Fault]]]


def plan(seconds: float, chance: Random) -> Plan:
    """Which faults there are in each room and when, in seconds: evenly spread, in a random order,
    each at random in the first half of its share of the time."""
    planned: Plan = {}
    for room, faults in ROOMS.items():
        drawn = [
            fault
            for fault, often in faults.items()
            for _ in range(max(1, round(often * seconds / FULL_SECONDS)))
        ]
        chance.shuffle(drawn)
        share = seconds / len(drawn)
        planned[room] = [
            (share * (number + chance.uniform(0, 0.5)), fault) for number, fault in enumerate(drawn)
        ]
    return planned


class Storm:
    """Faults under way. All is done by the thread that calls run(), which must outlive the crew."""

    def __init__(self, world: World, counted: Counter[str], *, tick: Callable[[], None]) -> None:
        self.counted = counted
        self.ended: Counter[str] = Counter()  # parts that ended by themselves and were started
        self.under_way: dict[str, str] = {}  # room -> fault
        self._world = world
        self._tick = tick

    def run(self, planned: Plan) -> None:
        """All of a plan, to the last step of the last fault."""
        start = time.monotonic()
        rooms = [self._in_turn(room, start, planned[room]) for room in planned]
        steps = [(start, number) for number in range(len(rooms))]
        try:
            while steps:
                due, number = heapq.heappop(steps)
                self._wait_until(due)
                pause = next(rooms[number], None)
                if pause is not None:
                    heapq.heappush(steps, (time.monotonic() + pause, number))
        finally:
            for room in rooms:
                room.close()  # nothing stays frozen or broken

    def _in_turn(
        self, room: str, start: float, planned: list[tuple[float, Fault]]
    ) -> Generator[float, None, None]:
        for at, fault in planned:
            yield max(start + at - time.monotonic(), 0)
            self.under_way[room] = words(fault)
            yield from fault(self._world)
            self.counted[self.under_way.pop(room)] += 1

    def _wait_until(self, moment: float) -> None:
        while True:
            self._tick()
            self.ended.update(self._world.crew.revive())
            left = moment - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, TICK_SECONDS))


def roll(crew: Crew, rounds: int, *, tick: Callable[[], None]) -> Iterator[tuple[float, bool]]:
    """One server after the other stops at SIGTERM and starts again; how many seconds each took to
    stop, and whether it did so by itself."""
    for _ in range(rounds):
        for server in crew.servers:
            tick()
            started = time.monotonic()
            in_time = server.stop()
            yield time.monotonic() - started, in_time
            server.fill()
            server.wait_until_ready()


def _victim(places: list[Place], chance: Random) -> Place:
    """One of those that run, rather one that has been at work for a while: starting up, it proves
    nothing."""
    running = [place for place in places if place.up_seconds] or places
    return chance.choices(running, [place.up_seconds + 0.1 for place in running])[0]


def _limit_files(crew: Crew, size: int) -> None:
    for place in crew.places:
        for process in place.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
