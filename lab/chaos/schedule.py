"""When which fault happens: drawn from a seed, and carried out in one thread."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from random import Random

from lab.chaos.faults import GROUPS, POOLER, Fault, Target, words
from lab.chaos.system import System

FULL_SECONDS = 300.0
TICK_SECONDS = 0.25


Plan = dict[str, list[tuple[float, Fault]]]


def plan(seconds: float, chance: Random, *, pooled: bool = False) -> Plan:
    """The faults of each group and their start in seconds: evenly spread, in random order, each at
    a random moment in the first half of its time slot."""
    planned: Plan = {}
    for group, faults in (GROUPS | ({"pooler": POOLER} if pooled else {})).items():
        drawn = [
            fault
            for fault, often in faults.items()
            for _ in range(max(1, round(often * seconds / FULL_SECONDS)))
        ]
        chance.shuffle(drawn)
        share = seconds / len(drawn)
        planned[group] = [
            (share * (number + chance.uniform(0, 0.5)), fault) for number, fault in enumerate(drawn)
        ]
    return planned


class FaultRunner:
    """Runs a plan in the thread that calls run(), which must outlive the system."""

    def __init__(self, target: Target, counted: Counter[str], *, tick: Callable[[], None]) -> None:
        self.counted = counted
        self.ended: Counter[str] = Counter()  # parts that ended by themselves and were restarted
        self.under_way: dict[str, str] = {}  # group -> fault
        self._target = target
        self._tick = tick

    def run(self, planned: Plan) -> None:
        """Run a plan to the last step of its last fault."""
        start = time.monotonic()
        groups = [self._steps(group, start, planned[group]) for group in planned]
        steps = [(start, number) for number in range(len(groups))]
        try:
            while steps:
                due, number = heapq.heappop(steps)
                self._wait_until(due)
                pause = next(groups[number], None)
                if pause is not None:
                    heapq.heappush(steps, (time.monotonic() + pause, number))
        finally:
            for group in groups:
                group.close()  # nothing stays frozen or broken

    def _steps(
        self, group: str, start: float, planned: list[tuple[float, Fault]]
    ) -> Generator[float, None, None]:
        for at, fault in planned:
            yield max(start + at - time.monotonic(), 0)
            self.under_way[group] = words(fault)
            yield from fault(self._target)
            self.counted[self.under_way.pop(group)] += 1

    def _wait_until(self, moment: float) -> None:
        while True:
            self._tick()
            self.ended.update(self._target.system.restart_ended())
            left = moment - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, TICK_SECONDS))


def rolling_restarts(
    system: System, rounds: int, *, tick: Callable[[], None]
) -> Iterator[tuple[float, bool]]:
    """Restart one server after the other with SIGTERM; yields the seconds each took to stop, and
    whether it stopped by itself."""
    for _ in range(rounds):
        for server in system.servers:
            tick()
            started = time.monotonic()
            in_time = server.stop()
            yield time.monotonic() - started, in_time
            server.restart()
            server.wait_until_ready()
