"""From an order to its claim, and what the database spends on it, with few and with many workers
that wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from statistics import median
from typing import Any

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import connections, notifications, reading
from handlers import jobs
from lab.bench import world
from lab.bench.commits import within
from lab.bench.page import table
from lab.bench.scale.meter import cpu_ms, use_engine
from services import queue
from services.queue import Claim

CROWDS = (1, 3, 40)
SPACE_SECONDS = 0.3  # between two orders: longer than a process holds its notifications back
POLL_SECONDS = 2.0
WAYS = ("inside, all claim", "after the commit, all look in turn")


def measure(rounds: int, orders: int) -> str:
    """A table of both ways for each crowd of idle workers, alternating."""
    waits: dict[tuple[int, str], list[float]] = {}
    spent: dict[tuple[int, str], list[float]] = {}
    vain: dict[tuple[int, str], list[float]] = {}
    engine = connections.connect(connections.database_url(), pool_size=max(CROWDS) + 2)
    with use_engine(engine):
        for _ in range(rounds):
            for crowd in CROWDS:
                for way in WAYS:
                    with _workers(crowd, way) as in_vain:
                        idle = _cpu_ms()
                        time.sleep(orders * SPACE_SECONDS / 2)
                        idle = (_cpu_ms() - idle) * 2
                        before = _cpu_ms()
                        in_vain.clear()
                        ordered = [_order(way) for _ in range(orders)]
                        cpu = _cpu_ms() - before - idle
                        vain.setdefault((crowd, way), []).append(len(in_vain) / orders)
                        waits.setdefault((crowd, way), []).extend(_waits(ordered))
                        spent.setdefault((crowd, way), []).append(cpu / orders)
    engine.dispose()
    rows = []
    for crowd in CROWDS:
        for way in WAYS:
            sorted_waits = sorted(waits[crowd, way])
            late = sorted_waits[-max(1, len(sorted_waits) // 20)]
            rows.append(
                [
                    *(str(crowd), way, f"{median(sorted_waits):.0f}", f"{late:.0f}"),
                    *(f"{median(each[crowd, way]):.1f}" for each in (vain, spent)),
                ]
            )
    head = [
        "Idle workers",
        "notification",
        "ms to the claim",
        "95 % within",
        "claims in vain an order",
        "database CPU ms an order",
    ]
    return (
        f"Single orders, {rounds} times {orders} for each row, and workers that do nothing else"
        " than wait, as threads of one process. CPU is that of all of PostgreSQL's processes"
        f" less what it spends without orders.\n\n{table(head, rows)}"
    )


class _AtOnce(Random):
    """No chance: whoever is woken does not wait for others."""

    def uniform(self, a: float, b: float) -> float:
        """The lower end."""
        return a


@contextmanager
def _workers(number: int, way: str) -> Iterator[list[str]]:
    """They claim in the block; the names of those who do so in vain are added to the list."""
    stopping, in_vain = threading.Event(), list[str]()
    with ExitStack() as stack:
        for name in range(number):
            thread = threading.Thread(target=_work, args=(f"idle-{name}", way, stopping, in_vain))
            thread.start()
            stack.callback(thread.join)
        stack.callback(stopping.set)
        time.sleep(POLL_SECONDS)  # until all listen
        yield in_vain


def _work(name: str, way: str, stopping: threading.Event, in_vain: list[str]) -> None:
    """As worker/loop.py does, or as it did."""
    at_once = way == WAYS[0]
    look, chance = ("SELECT true", _AtOnce()) if at_once else (queue.look(), None)
    with notifications.Listener(look, chance) as listener:
        is_due = True
        while not stopping.is_set():
            if is_due and _claim(name):
                continue
            if is_due:
                in_vain.append(name)
            is_due = listener.wait(POLL_SECONDS, stopping)


def _claim(name: str) -> Claim | None:
    # Not transaction(), of which a process has few at a time: these are as many processes.
    with Session(connections.engine(), expire_on_commit=False) as opened, opened.begin():
        return queue.claim(opened, name)


def _order(way: str) -> str:
    """Order once, and wait as long as nothing else comes."""
    body = {
        "userId": str(world.identifier("user-7")),
        "serviceType": "restore",
        "input": [{"type": "image", "dataId": str(world.identifier("photo-7"))}],
    }
    announce = notifications.announce
    if way == WAYS[0]:
        notifications.announce = within.announce
    try:
        job: Any = jobs.jobs_create(body, None)[0]
    finally:
        notifications.announce = announce
    time.sleep(SPACE_SECONDS)
    return str(job["id"])


def _waits(jobs: list[str]) -> list[float]:
    """ms from each order to its claim; none may be lost."""
    with reading() as reader:
        found = reader.execute(
            text(
                "SELECT extract(epoch FROM started_at - created_at) * 1000 FROM jobs"
                " WHERE id = ANY(CAST(:ids AS uuid[])) AND started_at IS NOT NULL"
            ),
            {"ids": jobs},
        ).scalars()
        waits = [float(each) for each in found]
    if len(waits) != len(jobs):
        raise RuntimeError(f"only {len(waits)} of {len(jobs)} orders were claimed")
    return waits


def _cpu_ms() -> float:
    """Of the database server and all its processes."""
    with reading() as reader:
        own = psutil.Process(reader.scalar(text("SELECT pg_backend_pid()")) or 0)
    server = own.parent()
    if server is None:
        raise RuntimeError("the database server is not on this machine")
    total = 0.0
    for process in [server, *server.children(recursive=True)]:
        with suppress(FileNotFoundError, ProcessLookupError):  # a vacuum that has ended
            total += cpu_ms(process.pid)
    return total
