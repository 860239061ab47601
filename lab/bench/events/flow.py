"""Events written at a pace, each in its own transaction, and posted by one worker meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from db import connections, transaction
from lab.bench import world
from lab.bench.events.receiver import Receiver
from lab.bench.page import table
from local.processes import Child
from services import events

WRITERS = 4
DELIVERY_SECONDS = 20
PENDING = text("SELECT count(*) FROM events WHERE state = 'pending'")
LATE = text("""
SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (
    ORDER BY extract(epoch FROM delivered_at - created_at)
) FROM events WHERE type = 'bonus.granted' AND state = 'delivered'
""")


def measure(worker: Child, receiver: Receiver, rate: int, seconds: int) -> str:
    """Write `rate` events a second, and wait until the bot has them."""
    count, first = rate * seconds, len(receiver.posts)
    cpu, begun = _cpu_seconds(worker), time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = []
        for number in range(count):
            time.sleep(max(begun + number / rate - time.perf_counter(), 0))
            writing.append(pool.submit(_write, number))
        for each in writing:
            each.result()
    written = time.perf_counter() - begun
    while _pending() and time.perf_counter() < begun + written + DELIVERY_SECONDS:
        time.sleep(0.05)
    delivered = time.perf_counter() - begun
    spent = _cpu_seconds(worker) - cpu
    posts = receiver.posts[first:]
    again, disordered = faults(post.event for post in posts)
    with connections.engine().connect() as connection:
        middle, most, longest = connection.scalar(LATE) or (0, 0, 0)
    rows = [
        ["written", f"{count / written:.0f} a second"],
        ["posted by one worker", f"{len(posts) / delivered:.0f} a second"],
        ["posted again, out of order, left over", f"{again}, {disordered}, {_pending()}"],
        [
            "from the write to the bot's 204",
            f"median {middle:.2f} s, 99 % within {most:.2f} s, all within {longest:.2f} s",
        ],
        ["CPU of the worker", f"{spent / max(len(posts), 1) * 1000:.1f} ms each"],
    ]
    return (
        f"{rate} events a second for {seconds} s, of {world.USERS} users, each written in a"
        f" transaction of its own.\n\n{table(['Events', 'Measured'], rows)}"
    )


def faults(bodies: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many came again, and how many came after a later one of the same user."""
    ids: set[str] = set()
    last: dict[str, int] = {}
    again = disordered = 0
    for event in bodies:
        user = event.get("user", {}).get("id", "")
        if event["id"] in ids:
            again += 1
        elif event["sequence"] < last.get(user, 0):
            disordered += 1
        ids.add(event["id"])
        last[user] = max(last.get(user, 0), event["sequence"])
    return again, disordered


def _write(number: int) -> None:
    user = world.identifier(f"user-{number % world.USERS}")
    with transaction() as db:
        events.tell(db, user, events.bonus_granted("grant", Decimal(1)))


def _pending() -> int:
    with connections.engine().connect() as connection:
        count: int = connection.scalar(PENDING) or 0
        return count


def _cpu_seconds(worker: Child) -> float:
    times = [process.cpu_times() for process in worker.processes()]
    return sum(float(each.user + each.system) for each in times)
