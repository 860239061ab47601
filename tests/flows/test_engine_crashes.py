"""Workers killed at every moment of an order at a provider: no job is lost, none is paid twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from db import snapshot, transaction
from db.models import GenerationAttempt, Job, Transaction
from services import jobs, ledger
from tests import engine_world
from tests.engine_world import EngineWorld, attempts_of, offer, stored_photo
from tests.factories import balance, make_job, make_user
from tests.wire import wait_until

PRICE = 25
KLING, FAL = "kling-2.5-replicate", "kling-2.5-fal"


@pytest.fixture
def world(no_rows: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineWorld]:
    """A fresh sandbox, connected to this process and to the workers it starts."""
    with engine_world.engine_sandbox() as running:
        made = EngineWorld(running)
        engine_world.reset_engines()
        engine_world.connect(monkeypatch, made)
        yield made
    monkeypatch.undo()
    engine_world.reread_settings()
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def ordered():
    user = make_user(PRICE)
    chosen = offer(KLING)[KLING]
    return user, make_job(user.id, "animate", data_id=stored_photo().id, model_id=chosen)


def status(job_id):
    with transaction() as session:
        return jobs.get(session, job_id).status


def hang_upload(world):
    world.fault("replicate", "hang", call="upload", seconds=30, times=1)
    return lambda job: world.calls("replicate", "upload") == 1


def hang_create_after_it_was_accepted(world):
    world.fault("replicate", "hang", call="create", seconds=30, times=1, after=True)
    return lambda job: len(world.runs("replicate")) == 1


def hang_poll(world):
    world.fault("replicate", "hang", call="poll", seconds=30, times=1)
    return lambda job: world.calls("replicate", "poll") == 1


def hang_download(world):
    world.fault("replicate", "hang", call="file", seconds=30, times=1)
    return lambda job: world.calls("replicate", "file") == 1


MOMENTS = [
    hang_upload,
    hang_create_after_it_was_accepted,
    hang_poll,
    hang_download,
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_9_at(world, moment):
    has_come = moment(world)
    user, job = ordered()
    with world.worker():
        wait_until(lambda: has_come(job), 30)
    with world.worker():
        wait_until(lambda: status(job.id) in ("done", "failed"), 40)
    assert status(job.id) == "done"
    assert len(world.runs("replicate")) == 1
    (attempt,) = attempts_of(job.id)
    assert (attempt.state, attempt.external_id) == ("done", world.runs("replicate")[0]["id"])
    assert balance(user.id) == 0


def test_kill_9_with_an_order_on_its_way_that_is_accepted_later(world):
    """The provider takes it after its sender has died: that one counts, no second is sent."""
    world.fault("replicate", "hang", call="create", seconds=1.0, times=1)
    user, job = ordered()
    with world.worker():
        wait_until(lambda: world.calls("replicate", "create") == 1, 30)
    wait_until(lambda: len(world.runs("replicate")) == 1)
    with world.worker():
        wait_until(lambda: status(job.id) == "done", 40)
    assert len(world.runs("replicate")) == 1 and len(attempts_of(job.id)) == 1


def test_kill_9_in_a_loop_under_load_pays_for_nothing_twice(world, chance):
    world.default("replicate", run_seconds=0.5)
    offered = offer(KLING, FAL)[KLING]
    users = [make_user(PRICE * 10) for _ in range(3)]
    placed = [
        make_job(user.id, "animate", data_id=stored_photo().id, model_id=offered).id
        for user in users
        for _ in range(10)
    ]
    crew = [world.start_worker(LOG_LEVEL="ERROR") for _ in range(2)]
    kills = 0
    try:
        deadline = time.monotonic() + 110
        while (left := live(placed)) and time.monotonic() < deadline:
            wait_until(lambda: live(placed) < left, 40)
            time.sleep(chance.uniform(0, 0.7))
            victim = chance.randrange(len(crew))
            crew[victim].kill()
            kills += 1
            crew[victim] = world.start_worker(LOG_LEVEL="ERROR")
    finally:
        for process in crew:
            process.kill()
    assert kills >= 3
    check_books(world, placed, users)


def live(placed):
    with transaction() as session:
        return session.scalar(
            select(func.count()).where(Job.id.in_(placed), Job.status.in_(("queued", "processing")))
        )


def check_books(world, placed, users):
    """Each job ended once, and the provider's books are ours."""
    with transaction() as session:
        ended = dict(
            session.execute(
                select(Job.status, func.count()).where(Job.id.in_(placed)).group_by(Job.status)
            ).all()
        )
        refunds = session.scalar(
            select(func.count()).where(Transaction.job_id.in_(placed), Transaction.type == "refund")
        )
        known = set(session.scalars(select(GenerationAttempt.external_id)))
        paid_twice = session.execute(
            select(GenerationAttempt.job_id)
            .where(GenerationAttempt.charged == "yes")
            .group_by(GenerationAttempt.job_id)
            .having(func.count() > 1)
        ).all()
    assert set(ended) <= {"done", "failed"} and sum(ended.values()) == len(placed)
    assert refunds == ended.get("failed", 0)
    assert sum(balance(user.id) for user in users) == PRICE * ended.get("failed", 0)
    accepted = [run["id"] for engine in ("replicate", "fal") for run in world.runs(engine)]
    assert set(accepted) <= known, "a run that no attempt knows"
    assert len(accepted) == len(placed) and paid_twice == []
