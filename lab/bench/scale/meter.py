"""What a call costs: CPU of the database's process and of this one, wall time, pages touched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from db import connections, reading
from lab.bench.scale.calls import Call, Context
from lab.bench.scale.worlds import World

ROUNDS = 6
WARM_UPS = 2
BATCH = 12
NOTHING_MS = 0.001
MAX_RATIO = 1.3  # of CPU, large to small


@dataclass
class Costs:
    """Costs of one call in one world, a figure for each round; milliseconds and pages."""

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

    def join(self, other: Comparison) -> Comparison:
        """Add the rounds of another measurement."""
        for mine, more in ((self.small, other.small), (self.large, other.large)):
            for name, figures in vars(mine).items():
                figures += vars(more)[name]
        return self

    @property
    def database_ratio(self) -> float:
        """CPU of PostgreSQL, large to small; what is answered from memory costs it nothing."""
        return (min(self.large.database_cpu) + NOTHING_MS) / (
            min(self.small.database_cpu) + NOTHING_MS
        )


class Probe:
    """The connection through which a world is measured, beside one for notifications to workers.

    Those are sent from a thread of their own, and may swap the two between measurements.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine = connections.connect(world.url, pool_size=2)
        self.process = self._backend()
        self._watch = world.connect()

    def measure(self, call: Call, context: Context, costs: Costs, *, times: int) -> None:
        """Add the average costs of `times` calls, one after another."""
        with use_engine(self.engine):
            for _ in range(times):
                call.prepare(context)
            self.process = self._backend()
            pages, cpu = self._pages(), cpu_ms(self.process)
            own, wall = time.process_time(), time.perf_counter()
            for _ in range(times):
                call.work(context)
            costs.wall.append((time.perf_counter() - wall) * 1000 / times)
            costs.our_cpu.append((time.process_time() - own) * 1000 / times)
            costs.database_cpu.append((cpu_ms(self.process) - cpu) / times)
            costs.pages.append((self._pages() - pages) / times)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()
        self._watch.close()

    def _backend(self) -> int:
        """Process id of the connection that is next."""
        with use_engine(self.engine), reading() as connection:
            process: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return process

    def _pages(self) -> int:
        """Pages this connection has accessed so far, in memory or not."""
        with use_engine(self.engine), reading() as connection:
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        with self._watch.cursor() as cursor:
            cursor.execute(
                "SELECT sum(hits) + sum(reads) FROM pg_stat_get_backend_io(%s)", [self.process]
            )
            return int(cursor.fetchone()[0] or 0)


@contextmanager
def use_engine(engine: Engine) -> Iterator[None]:
    """Make transaction() and reading() use this engine."""
    original = connections.engine
    connections.engine = lambda: engine  # type: ignore[assignment]
    try:
        yield
    finally:
        connections.engine = original


def compare(
    name: str,
    call: Call,
    contexts: Sequence[Context],
    probes: Sequence[Probe],
    *,
    times: int = BATCH,
) -> Comparison:
    """Measure both worlds in turn; which comes first alternates."""
    found = Comparison(name)
    pairs = list(zip(contexts, probes, (found.small, found.large), strict=True))
    for number in range(-WARM_UPS, ROUNDS):
        for context, probe, costs in pairs if number % 2 else reversed(pairs):
            probe.measure(call, context, Costs() if number < 0 else costs, times=times)
    return found


def cpu_ms(process: int) -> float:
    """CPU time of a process so far; finer than the clock ticks of /proc/<pid>/stat."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e6
