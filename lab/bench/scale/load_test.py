"""Two servers, four workers and a crowd on one database; afterwards the books are checked."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from lab.bench.scale.crowd import CUSTOMERS, Crowd, Outcome
from lab.bench.servers import Server, environment
from local.processes import Child, Program

SERVERS, WORKERS = 2, 4
FINISH_SECONDS = 90
QUICK = ("-m", "lab.chaos.quick_worker")  # an engine that takes milliseconds
REAL = ("-m", "worker")

_JOBS = "SELECT id, status FROM jobs WHERE user_id = ANY(:users)"
_PURCHASES = """
SELECT count(*), count(DISTINCT payment_id) FROM transactions
WHERE user_id = ANY(:users) AND type = 'purchase'
"""
_WRONG_BALANCE = """
SELECT u.id FROM users u
LEFT JOIN (SELECT user_id, sum(tokens_delta) AS total FROM transactions
           WHERE user_id = ANY(:users) GROUP BY user_id) t ON t.user_id = u.id
WHERE u.id = ANY(:users) AND u.balance_tokens <> coalesce(t.total, 0)
"""
_WRONG_PRICE = """
SELECT j.id FROM jobs j
LEFT JOIN transactions t ON t.job_id = j.id
WHERE j.user_id = ANY(:users)
GROUP BY j.id
HAVING coalesce(sum(t.tokens_delta), 0) <> CASE j.status WHEN 'done' THEN -j.price_tokens ELSE 0 END
"""


def run(
    engine: Engine, url: str, folder: Path, *, seconds: float, chance: Random, real_jobs: int = 0
) -> Outcome:
    """Run a crowd for some seconds, kill a worker meanwhile, wait until every job has ended.

    engine: connections to the database of `url`. real_jobs: how many orders afterwards go to
    workers with the real engine.
    """
    environ = {**environment(url, folder), "ENVIRONMENT": "development", "LOG_LEVEL": "INFO"}
    with ExitStack() as stack:
        servers = [_server(number, environ, folder, stack) for number in range(SERVERS)]
        for server in servers:
            server.wait()
        urls = [f"http://127.0.0.1:{each.port}/api" for each in servers]
        crowd = Crowd(engine, urls, chance)
        workers = [_worker(QUICK, f"quick{n}", environ, folder, stack) for n in range(WORKERS)]
        killer = threading.Timer(seconds / 2, workers[0].kill)
        killer.start()
        crowd.run(seconds)
        killer.join()
        crowd.outcome.killed = 1
        workers.append(_worker(QUICK, "quick-again", environ, folder, stack))
        _finish_orders(crowd, engine)
        if real_jobs:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                worker.stop()
            for number in range(2):
                _worker(REAL, f"real{number}", environ, folder, stack)
            for number in range(real_jobs):
                crowd.order(crowd.users[number % CUSTOMERS])
            _finish_orders(crowd, engine)
    _check_books(crowd, engine, sorted(folder.glob("worker-*.log")))
    return crowd.outcome


def _server(number: int, environ: dict[str, str], folder: Path, stack: ExitStack) -> Server:
    logs = folder / f"server{number}"
    logs.mkdir()
    server = Server("ours", environ, logs)
    stack.callback(server.stop)
    return server


def _worker(
    arguments: tuple[str, ...], name: str, environ: dict[str, str], folder: Path, stack: ExitStack
) -> Child:
    program = Program(f"worker-{name}", arguments, stop_seconds=30)
    worker = Child(program, environ={**environ, "JOB_LEASE_SECONDS": "5"}, logs=folder)
    stack.callback(worker.stop)
    return worker


def _finish_orders(crowd: Crowd, engine: Engine) -> None:
    """Pay for waiting orders until every order is done or failed."""
    for user in crowd.users:
        crowd.grant(user)
    deadline = time.monotonic() + FINISH_SECONDS
    while live := [
        status for _, status in _rows(engine, _JOBS, crowd) if status not in ("done", "failed")
    ]:
        if time.monotonic() > deadline:
            crowd.outcome.wrong.append(f"not finished: {Counter(live)}")
            return
        if "waiting_payment" in live:
            for user in crowd.users:
                crowd.grant(user)
        time.sleep(0.3)


def _check_books(crowd: Crowd, engine: Engine, logs: list[Path]) -> None:
    outcome = crowd.outcome
    jobs = {str(job): status for job, status in _rows(engine, _JOBS, crowd)}
    acknowledged = Counter(crowd.orders.values())
    outcome.orders = len(crowd.orders)
    outcome.done = sum(status == "done" for status in jobs.values())
    outcome.failed = sum(status == "failed" for status in jobs.values())
    if set(jobs) != set(acknowledged) or max(acknowledged.values()) > 1:
        outcome.wrong.append("jobs are not the acknowledged orders, each once")
    (purchases, paid), *_ = _rows(engine, _PURCHASES, crowd)
    if not purchases == paid == outcome.payments:
        outcome.wrong.append(f"{outcome.payments} payments, {paid} credited by {purchases} rows")
    for rule, query in (("balance", _WRONG_BALANCE), ("price", _WRONG_PRICE)):
        if broken := _rows(engine, query, crowd):
            outcome.wrong.append(f"{rule} is wrong for {broken[:3]}")
    finished = Counter(
        line["job_id"]
        for log in logs
        for line in map(_parse, log.read_text().splitlines())
        if line.get("message") == "job done"
    )
    outcome.wrong += [
        f"{job} was done {times} times" for job, times in finished.items() if times > 1
    ]


def _rows(engine: Engine, query: str, crowd: Crowd) -> list[Any]:
    with engine.connect() as connection:
        users = [UUID(user) for user in crowd.users]
        return list(connection.execute(text(query), {"users": users}))


def _parse(line: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:  # printed by the interpreter itself
        return {}
    return parsed
