"""What a call costs: CPU of the database's process, of ours, time on the wall, pages touched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.scale.calls import Call, Visit
from bench.scale.worlds import World
from db import reading, session
from db.connections import Connections

ROUNDS = 6
WARM_UPS = 2
BATCH = 12
MOST = 1.3  # of the small world's CPU


@dataclass
class Costs:
    """Of one call in one world, a figure for each round; milliseconds and pages."""

    database_cpu: list[float] = field(default_factory=list)
    our_cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)


@dataclass
class Comparison:
    """A call in the small world and in the large one."""

    name: str
    small: Costs = field(default_factory=Costs)
    large: Costs = field(default_factory=Costs)

    def joined(self, other: Comparison) -> Comparison:
        """The same with the rounds of another measurement."""
        for mine, more in ((self.small, other.small), (self.large, other.large)):
            for name, figures in vars(mine).items():
                figures += vars(more)[name]
        return self

    @property
    def database_ratio(self) -> float:
        """CPU of PostgreSQL, large to small."""
        return min(self.large.database_cpu) / min(self.small.database_cpu)


class Probe:
    """The one connection by which a world is measured."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections = Connections(session.connect(world.url, pool_size=1))
        with current(self.connections), reading() as connection:
            self.process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        self._watch = world.connect()

    def measure(self, call: Call, visit: Visit, costs: Costs, *, times: int) -> None:
        """Add the figures of so many calls, one after another."""
        with current(self.connections):
            for _ in range(times):
                call.prepare(visit)
            pages, cpu = self._pages(), _cpu_ms(self.process)
            own, wall = time.process_time(), time.perf_counter()
            for _ in range(times):
                call.work(visit)
            costs.wall.append((time.perf_counter() - wall) * 1000 / times)
            costs.our_cpu.append((time.process_time() - own) * 1000 / times)
            costs.database_cpu.append((_cpu_ms(self.process) - cpu) / times)
            costs.pages.append((self._pages() - pages) / times)

    def close(self) -> None:
        """Give its connections back."""
        self.connections.engine.dispose()
        self._watch.close()

    def _pages(self) -> int:
        """Pages that this connection has looked at so far, found in memory or not."""
        with current(self.connections), reading() as connection:
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        with self._watch.cursor() as cursor:
            cursor.execute(
                "SELECT sum(hits) + sum(reads) FROM pg_stat_get_backend_io(%s)", [self.process]
            )
            return int(cursor.fetchone()[0] or 0)


@contextmanager
def current(connections: Connections) -> Iterator[None]:
    """Let transaction() and reading() use these."""
    usual = session.connections
    session.connections = lambda: connections  # type: ignore[assignment]
    try:
        yield
    finally:
        session.connections = usual


def compare(
    name: str,
    call: Call,
    visits: Sequence[Visit],
    probes: Sequence[Probe],
    *,
    times: int = BATCH,
) -> Comparison:
    """Both worlds in turn, the first of each pair alternating."""
    found = Comparison(name)
    pairs = list(zip(visits, probes, (found.small, found.large), strict=True))
    for number in range(-WARM_UPS, ROUNDS):
        for visit, probe, costs in pairs if number % 2 else reversed(pairs):
            probe.measure(call, visit, Costs() if number < 0 else costs, times=times)
    return found


def _cpu_ms(process: int) -> float:
    """CPU time of a process so far; finer than the clock ticks of /proc/<pid>/stat."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e6
