"""Thousands of requests that wait at one server: half for events, half each for its order."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from statistics import median

from sqlalchemy import text

from db import connections
from lab.bench import world
from lab.bench.files import MEBIBYTE
from lab.bench.operations import API_KEY
from lab.bench.page import table
from lab.bench.servers import PROCESSES, Server

WAIT_SECONDS = 25
ARRIVAL_SECONDS = 15
QUIET_SECONDS = 1.0
QUIET_CPU = 0.3  # of a core, for all processes: nobody is being taken in any more
OTHERS = 100  # ordinary requests beside those who wait
OTHERS_PAUSE = 0.03
SPARE_FILES = 500

ORDERS = """
INSERT INTO jobs (id, user_id, model_id, service_type, status, price_tokens, price_rub, input)
SELECT md5('waiting-' || n)::uuid, md5('user-' || n % :users)::uuid, m.id, 'animate',
       'waiting_payment', m.price_tokens, m.price_rub,
       jsonb_build_array(jsonb_build_object('type', 'image', 'dataId', md5('photo-0')::uuid))
FROM generate_series(0, :orders - 1) n
JOIN generation_models m ON m.service_type = 'animate' AND m.is_default
"""
NEWS = """
WITH changed AS (
    UPDATE jobs SET progress = 1 WHERE status = 'waiting_payment'
)
INSERT INTO events (id, type, body, state)
VALUES (gen_random_uuid(), 'lottery.drawn', '{"text": "Розыгрыш", "lottery": {"id":
    "00000000-0000-4000-8000-000000000000", "title": "Розыгрыш", "winners": 0}}', 'kept')
"""


def measure(server: Server, waiting: int) -> str:
    """Let them all come, look at the server while they wait, and tell all of them something."""
    orders = waiting // 2
    _write(ORDERS, users=world.USERS, orders=orders)
    _allow_files(waiting + SPARE_FILES)
    events = f"events?after={_newest()}&wait={WAIT_SECONDS}"
    paths = []
    for number in range(orders):
        order = world.identifier(f"waiting-{number}")
        paths += [events, f"jobs/{order}?wait={WAIT_SECONDS}"]
    return asyncio.run(_wait_all(server, paths))


async def _wait_all(server: Server, paths: list[str]) -> str:
    answers: Counter[str] = Counter()
    cpu, memory = server.cpu_seconds(), _resident(server)
    begun = time.perf_counter()
    callers = [asyncio.create_task(_ask(server.port, path, answers)) for path in paths]
    await _until_quiet(server)
    arrived, taken_in = time.perf_counter() - begun, server.cpu_seconds() - cpu
    memory = _resident(server) - memory
    others, share = await _others(server)
    early = sum(answers.values())
    news_at, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.to_thread(_write, NEWS)
    await asyncio.gather(*callers)
    seconds, telling = time.perf_counter() - news_at, server.cpu_seconds() - cpu
    count = len(paths)
    rows = [
        [
            "status of the answers",
            ", ".join(f"{kind}: {times}" for kind, times in answers.most_common()),
        ],
        ["still waiting when the news came", str(count - early)],
        ["all had come after", f"{arrived:.1f} s, {taken_in / count * 1000:.1f} ms of CPU each"],
        ["memory", f"{memory * 1024 / count:.0f} KiB each"],
        [
            f"{OTHERS} other requests meanwhile, one after the other",
            f"median {median(others):.0f} ms, slowest {max(others):.0f} ms; the server used"
            f" {share:.0%} of a core for them and the waiting",
        ],
        [
            "one commit is news for all, the last has it after",
            f"{seconds:.1f} s, {telling / count * 1000:.1f} ms of CPU each",
        ],
    ]
    return (
        f"{count} requests wait at one server of {PROCESSES} processes, half of them for events,"
        f" half each for an order of its own.\n\n{table(['Waiting', 'Measured'], rows)}"
    )


async def _ask(port: int, path: str, answers: Counter[str]) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /api/v1/{path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {API_KEY}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
    except OSError as error:
        answers[type(error).__name__] += 1
    else:
        answers[kind_of(answer)] += 1


def kind_of(answer: bytes) -> str:
    """What a raw response is: its status, or that nothing has happened for so long."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return "no answer"
    quiet = body == b"[]" or b'"progress":0' in body
    return head.split(b" ", 2)[1].decode() + (" without news" if quiet else "")


async def _others(server: Server) -> tuple[list[float], float]:
    """Milliseconds of ordinary requests, and the server's CPU meanwhile in cores."""
    begun, cpu, times = time.perf_counter(), server.cpu_seconds(), []
    for _ in range(OTHERS):
        times.append(await _other(server.port))
        await asyncio.sleep(OTHERS_PAUSE)
    return times, (server.cpu_seconds() - cpu) / (time.perf_counter() - begun)


async def _other(port: int) -> float:
    """Milliseconds of an ordinary request."""
    begun = time.perf_counter()
    answers: Counter[str] = Counter()
    await _ask(port, f"users/{world.identifier('user-0')}/balance", answers)
    if "200" not in answers:
        raise RuntimeError(f"an ordinary request was refused: {dict(answers)}")
    return (time.perf_counter() - begun) * 1000


async def _until_quiet(server: Server) -> None:
    """Until the server works no more, which is when it has asked the database for each of them."""
    deadline = time.perf_counter() + ARRIVAL_SECONDS
    cpu = float("-inf")
    while time.perf_counter() < deadline:
        last, cpu = cpu, server.cpu_seconds()
        if cpu - last < QUIET_CPU * QUIET_SECONDS:
            return
        await asyncio.sleep(QUIET_SECONDS)


def _resident(server: Server) -> float:
    """MiB of all its processes."""
    return sum(float(process.memory_info().rss) for process in server.processes()) / MEBIBYTE


def _allow_files(count: int) -> None:
    """Every waiting request is an open file here; the server sees to itself (gunicorn.conf.py)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _write(statement: str, **values: object) -> None:
    with connections.engine().begin() as connection:
        connection.execute(text(statement), values)


def _newest() -> int:
    with connections.engine().connect() as connection:
        newest: int | None = connection.scalar(text("SELECT max(sequence) FROM events"))
        return newest or 0
