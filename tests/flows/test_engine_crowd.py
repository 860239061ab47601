"""Two hundred jobs at a provider beside the one job of their own that a worker process has."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import func, select

from db import snapshot, transaction
from db.models import Engine, GenerationAttempt, Job
from services import ledger
from tests import engine_world
from tests.engine_world import EngineWorld, offer, stored_photo
from tests.factories import make_job, make_user
from tests.wire import wait_until

KLING = "kling-2.5-replicate"
IN_FLIGHT = 200
RUN_SECONDS = 60.0
MOST_IDLE_SHARE = 0.05  # of a core
MOST_BUSY_SHARE = 0.5  # of a core, with all of them in flight
MOST_MEMORY = 150 * 1024 * 1024


@pytest.fixture
def world(no_rows: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineWorld]:
    with engine_world.engine_sandbox() as running:
        made = EngineWorld(running)
        engine_world.reset_engines()
        engine_world.connect(monkeypatch, made)
        yield made
    monkeypatch.undo()
    engine_world.reread_settings()


def share_of_a_core(process: psutil.Process, seconds: float) -> float:
    def used() -> float:
        times = process.cpu_times()
        return times.user + times.system

    before, began = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - began)


def count(*conditions) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).where(*conditions)) or 0


@pytest.mark.timeout(300)
def test_one_process_carries_200_jobs_at_a_provider(world: EngineWorld) -> None:
    world.default("replicate", run_seconds=RUN_SECONDS)
    chosen = offer(KLING)[KLING]
    with transaction() as session:
        engine = session.get_one(Engine, "replicate")
        engine.max_in_flight, engine.creates_per_minute, engine.daily_cost = 500, 5000, None
    with world.worker("--usual-pace") as process:
        worker = psutil.Process(process.pid)
        wait_until(lambda: worker.num_threads() > 1)
        time.sleep(3)  # its imports and first duties
        idle, memory = share_of_a_core(worker, 6), worker.memory_info().rss
        user, photo = make_user(25 * IN_FLIGHT), stored_photo().id
        for _ in range(IN_FLIGHT):
            make_job(user.id, "animate", data_id=photo, model_id=chosen)
        wait_until(lambda: count(GenerationAttempt.state == "running") == IN_FLIGHT, 60)
        own = make_job(make_user(5).id, "restore", data_id=stored_photo(b"abc").id)
        wait_until(lambda: count(Job.id == own.id, Job.status == "done") == 1, 20)
        busy, threads = share_of_a_core(worker, 10), worker.num_threads()
        grown = worker.memory_info().rss - memory
        print(f"idle {idle:.3f}, busy {busy:.3f} of a core, {threads} threads, {grown >> 20} MiB")
        wait_until(lambda: count(Job.status == "done") == IN_FLIGHT + 1, 150)
    assert idle < MOST_IDLE_SHARE and busy < MOST_BUSY_SHARE
    assert grown < MOST_MEMORY and threads < 25
    assert len(world.runs("replicate")) == IN_FLIGHT
    with snapshot() as session:
        assert not any(ledger.violations(session).values())
