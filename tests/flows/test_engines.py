"""Jobs that engines of providers do: real workers, the sandbox, real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db import snapshot, transaction
from providers import instances
from services import jobs, ledger
from tests import engine_world
from tests.engine_world import EngineWorld, attempts_of, offer, stored_photo
from tests.factories import balance, make_job, make_user
from tests.wire import wait_until

PRICE = 25


@pytest.fixture(scope="module")
def _world(database: str) -> Iterator[EngineWorld]:
    with engine_world.engine_sandbox() as running:
        yield EngineWorld(running)


@pytest.fixture
def world(_world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineWorld]:
    """The engines without faults, connected to this process and to the workers it starts."""
    engine_world.reset_engines()
    engine_world.connect(monkeypatch, _world)
    for engine in engine_world.ENGINES:
        _world.sandbox.control("DELETE", f"/{engine}/faults")
        _world.account(engine, "good")
        _world.default(engine, run_seconds=0.0, queue_seconds=0.0, end="succeeded", file="good")
    yield _world
    monkeypatch.undo()
    engine_world.settings.load.cache_clear()
    instances.remote_engine.cache_clear()
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def ended(job_id):
    def has_ended():
        with transaction() as session:
            job = jobs.get(session, job_id)
        return job if job.status in ("done", "failed") else None

    wait_until(has_ended, 30)
    return has_ended()


def test_a_chosen_model_makes_the_video_at_its_provider(world):
    chosen = offer("kling-2.5-replicate")["kling-2.5-replicate"]
    user = make_user(PRICE)
    job = make_job(user.id, "animate", data_id=stored_photo().id, model_id=chosen)
    before = len(world.runs("replicate"))
    with world.worker():
        done = ended(job.id)
    assert (done.status, done.model_id) == ("done", chosen)
    assert done.meta["engine"] == "replicate" and done.meta["model"] == "kling-2.5-replicate"
    assert len(world.runs("replicate")) == before + 1
    (attempt,) = attempts_of(job.id)
    assert (attempt.state, attempt.charged) == ("done", "yes")
    assert attempt.external_id == world.runs("replicate")[0]["id"]
    assert balance(user.id) == 0
