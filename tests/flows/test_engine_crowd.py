"""A hundred jobs at a provider beside the one job of their own that a worker process has."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import func, select

from db import snapshot, transaction
from db.models import Engine, GenerationAttempt, Job
from providers.engine.remote import Pace
from services import ledger
from tests import engine_world
from tests.engine_world import EngineWorld, offer, stored_photo
from tests.factories import make_job, make_user
from tests.wire import wait_until

KLING = "kling-2.5-replicate"
IN_FLIGHT = 100
RUN_SECONDS = 300.0  # longer than it takes to gather them, shorter than we wait for one
PATIENCE_SECONDS = 120
MOST_THREADS = 25
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


def count(*conditions) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).where(*conditions)) or 0


def test_one_process_carries_a_hundred_jobs_at_a_provider(world: EngineWorld) -> None:
    world.default("replicate", run_seconds=RUN_SECONDS)
    chosen = offer(KLING)[KLING]
    with transaction() as session:
        engine = session.get_one(Engine, "replicate")
        engine.max_in_flight, engine.creates_per_minute, engine.daily_cost = 500, 5000, None
    user, photo = make_user(25 * IN_FLIGHT), stored_photo().id
    for _ in range(IN_FLIGHT):
        make_job(user.id, "animate", data_id=photo, model_id=chosen)
    began = time.monotonic()
    with world.worker("--usual-pace") as process:
        running = GenerationAttempt.state == "running"
        wait_until(lambda: count(running) == IN_FLIGHT, PATIENCE_SECONDS)
        own = make_job(make_user(5).id, "restore", data_id=stored_photo(b"abc").id)
        wait_until(lambda: count(Job.id == own.id, Job.status == "done") == 1)
        assert count(running) == IN_FLIGHT  # its own job waited for none of them
        seen = psutil.Process(process.pid)
        assert seen.num_threads() < MOST_THREADS and seen.memory_info().rss < MOST_MEMORY
        # None is asked about more often than its pace allows, so the crowd costs little.
        most = (time.monotonic() - began) / Pace.video + 1
        assert world.calls("replicate", "poll") <= IN_FLIGHT * most
        world.sandbox.control("POST", "/clock", advance_seconds=RUN_SECONDS)
        wait_until(lambda: count(Job.status == "done") == IN_FLIGHT + 1, PATIENCE_SECONDS)
    assert len(world.runs("replicate")) == IN_FLIGHT
    with snapshot() as session:
        assert not any(ledger.violations(session).values())
