"""Jobs that engines of providers do: real workers, the sandbox, real PostgreSQL."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import update

from db import snapshot, transaction
from db.models import Engine, GenerationAttempt
from db.rows import JobRow
from db.types import now
from services import engines, jobs, ledger
from tests import engine_world
from tests.engine_world import EngineWorld, attempts_of, in_seconds, offer, stored_photo
from tests.factories import balance, make_job, make_user
from tests.wire import wait_until

PRICE = 25
KLING, FAL, POLZA = "kling-2.5-replicate", "kling-2.5-fal", "kling-2.5-polza"


@pytest.fixture(scope="module")
def _world() -> Iterator[EngineWorld]:
    with engine_world.engine_sandbox() as running:
        yield EngineWorld(running)


@pytest.fixture
def world(
    no_rows: None, _world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EngineWorld]:
    """The engines without faults, connected to this process and to the workers it starts."""
    engine_world.reset_engines()
    engine_world.connect(monkeypatch, _world)
    for engine in engine_world.ENGINES:
        _world.sandbox.control("DELETE", f"/{engine}/faults")
        _world.account(engine, "good")
        _world.default(engine, run_seconds=0.0, queue_seconds=0.0, end="succeeded", file="good")
    yield _world
    monkeypatch.undo()
    engine_world.reread_settings()
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


@pytest.fixture
def before(world: EngineWorld) -> dict[str, int]:
    """How many runs each engine had accepted before the test."""
    return {engine: len(world.runs(engine)) for engine in engine_world.ENGINES}


def ordered(model: str = KLING, *others: str):
    """A paid job for one model, with others on offer."""
    chosen = offer(model, *others)[model]
    user = make_user(PRICE)
    return user, make_job(user.id, "animate", data_id=stored_photo().id, model_id=chosen)


def job_of(job_id: UUID) -> JobRow[UUID]:
    with transaction() as session:
        return jobs.get(session, job_id)


def ended(job_id: UUID, seconds: float = 30) -> JobRow[UUID]:
    """The job when it has ended."""
    wait_until(lambda: job_of(job_id).status in ("done", "failed"), seconds)
    return job_of(job_id)


def states(job_id):
    """State, charge and trouble of each attempt."""
    return [(each.state, each.charged, each.trouble) for each in attempts_of(job_id)]


def accepted(world, before, engine="replicate"):
    """How many runs the engine has accepted in this test."""
    return len(world.runs(engine)) - before[engine]


def breaker(engine):
    with transaction() as session:
        return session.get_one(Engine, engine)


def test_a_chosen_model_makes_the_video_at_its_provider(world, before):
    user, job = ordered()
    with world.worker():
        done = ended(job.id)
    assert (done.status, done.model_id) == ("done", job.model_id)
    assert (done.meta["engine"], done.meta["model"]) == ("replicate", KLING)
    assert done.meta["bytes"] > 0 and done.meta["width"] > 0
    assert accepted(world, before) == 1
    (attempt,) = attempts_of(job.id)
    assert (attempt.state, attempt.charged) == ("done", "yes")
    assert (attempt.cost_actual, attempt.currency) == (Decimal("0.35"), "USD")
    assert attempt.external_id == world.runs("replicate")[0]["id"]
    assert balance(user.id) == 0


def test_the_real_child_processes_prepare_the_photo_and_finish_the_video(world):
    _, job = ordered()
    with world.worker(quick=False):
        done = ended(job.id, 60)
    assert done.status == "done", done.meta
    assert {"width", "height", "durationSeconds", "bytes"} <= done.meta.keys()
    assert (done.result_content_type, done.meta["engine"]) == ("video/mp4", "replicate")


def test_a_wish_becomes_part_of_the_prompt(world):
    chosen = offer(KLING)[KLING]
    job = make_job(
        make_user(PRICE).id,
        "animate",
        data_id=stored_photo().id,
        model_id=chosen,
        description="Пусть бабушка улыбнётся",
    )
    with world.worker():
        ended(job.id)
    assert "Пусть бабушка улыбнётся" in world.runs("replicate")[0]["input"]["prompt"]


def test_out_of_credit_is_asked_once_and_alarms_once_and_the_next_engine_takes_over(world, before):
    world.account("replicate", "no_credit")
    creates = world.calls("replicate")
    _, first = ordered(KLING, FAL)
    with world.worker():
        done = ended(first.id)
        second = make_job(
            make_user(PRICE).id, "animate", data_id=stored_photo().id, model_id=first.model_id
        )
        assert ended(second.id).status == "done"
    assert done.status == "done" and done.meta["engine"] == "fal"
    assert done.meta["orderedModelId"] == str(first.model_id) != str(done.model_id)
    assert states(first.id) == [("failed", "no", "credit"), ("done", "yes", None)]
    assert world.calls("replicate") == creates + 1
    assert (breaker("replicate").open_code, accepted(world, before, "fal")) == ("credit", 2)


def test_without_another_engine_jobs_wait_until_there_is_credit_again(world):
    world.account("replicate", "no_credit")
    _, job = ordered()
    with world.worker():
        wait_until(lambda: states(job.id))
        wait_until(lambda: job_of(job.id).status == "queued")
        world.account("replicate", "good")
        with transaction() as session:  # five minutes pass
            session.get_one(Engine, "replicate").open_until = now()
        assert ended(job.id).status == "done"
    assert breaker("replicate").open_code is None


def test_a_create_whose_answer_is_lost_is_found_and_not_repeated(world, before):
    world.fault("replicate", "drop", after=True)
    _, job = ordered(KLING, FAL)
    with world.worker():
        assert ended(job.id).status == "done"
    assert (accepted(world, before), accepted(world, before, "fal")) == (1, 0)
    assert [each.state for each in attempts_of(job.id)] == ["done"]


def test_after_a_create_that_surely_never_arrived_there_is_another_attempt(world, before):
    world.fault("replicate", "status", status=503)
    _, job = ordered(KLING, FAL)
    with world.worker():
        assert ended(job.id).status == "done"
    assert (accepted(world, before), accepted(world, before, "fal")) == (1, 0)
    assert states(job.id) == [("failed", "no", "absent"), ("done", "yes", None)]


def test_what_cannot_be_found_out_is_returned_to_the_customer_and_not_ordered_again(world, before):
    """Polza shows nothing of ours: two lost orders of one model cannot be told apart."""
    world.fault("polza", "drop", after=True, times=2)
    offered = offer(POLZA)[POLZA]
    users = [make_user(PRICE) for _ in range(2)]
    placed = [
        make_job(user.id, "animate", data_id=stored_photo().id, model_id=offered) for user in users
    ]
    with world.worker():
        outcomes = [ended(job.id) for job in placed]
    assert [job.status for job in outcomes] == ["failed", "failed"]
    assert [states(job.id) for job in placed] == [[("failed", "maybe", "unclear")]] * 2
    assert [balance(user.id) for user in users] == [PRICE, PRICE]
    assert accepted(world, before, "polza") == 2


def test_a_refusal_goes_elsewhere_once_and_then_the_customer_reads_why(world, before):
    for engine in ("replicate", "fal"):
        world.script(engine, end="refused")
    user, job = ordered(KLING, FAL, POLZA)
    with world.worker():
        failed = ended(job.id)
    assert failed.meta["error"]["code"] == "content_rejected"
    assert "не пропустила проверка" in failed.meta["error"]["message"]
    assert [each.state for each in attempts_of(job.id)] == ["refused", "refused"]
    assert (balance(user.id), accepted(world, before, "polza")) == (PRICE, 0)


def test_at_most_two_attempts_are_paid(world, before):
    for engine in ("replicate", "fal", "polza"):
        world.default(engine, file="expired")
    user, job = ordered(KLING, FAL, POLZA)
    with world.worker():
        assert ended(job.id).status == "failed"
    assert [each.charged for each in attempts_of(job.id)] == ["yes", "yes"]
    assert (balance(user.id), accepted(world, before, "polza")) == (PRICE, 0)


def test_the_built_in_engine_may_stand_last(world):
    world.account("replicate", "no_credit")
    with transaction() as session:
        attempts_model = engine_world.model(session, "animate-standard")
        attempts_model.fallback_position = 99
    try:
        _, job = ordered()
        with world.worker():
            done = ended(job.id)
    finally:
        with transaction() as session:
            engine_world.model(session, "animate-standard").fallback_position = None
    assert (done.status, done.meta["engine"]) == ("done", "quick")
    assert done.meta["model"] == "animate-standard"


def test_a_job_out_of_time_is_refunded_and_its_late_result_dropped(world, before):
    world.default("replicate", run_seconds=6.0)
    user, job = ordered()
    with world.worker(REMOTE_TIMEOUT_SECONDS="2"):
        failed = ended(job.id)
        wait_until(lambda: attempts_of(job.id)[0].ended_at)
    assert failed.meta["error"]["code"] == "engine_timeout"
    (attempt,) = attempts_of(job.id)
    assert attempt.state == "canceled" and attempt.charged == "maybe"
    assert balance(user.id) == PRICE
    assert world.runs("replicate")[0]["canceled"]


def test_a_job_that_the_operator_ends_is_cancelled_at_its_provider(world):
    world.default("replicate", run_seconds=60.0)
    user, job = ordered()
    with world.worker():
        wait_until(lambda: [each.state for each in attempts_of(job.id)] == ["running"])
        with transaction() as session:
            jobs.fail(session, job.id, reason="Так получилось")
        wait_until(lambda: attempts_of(job.id)[0].ended_at)
    assert world.runs("replicate")[0]["canceled"]
    assert balance(user.id) == PRICE


def test_progress_is_told_while_the_provider_works(world):
    world.default("replicate", run_seconds=3.0)
    _, job = ordered()
    with world.worker():
        wait_until(lambda: 0 < job_of(job.id).progress < 100)
        assert ended(job.id).progress == 100


@pytest.mark.parametrize("file", ["html", "empty", "wrong", "away", "foreign"])
def test_a_result_that_is_none_was_paid_for_and_the_next_engine_makes_one(world, file):
    world.script("replicate", file=file)
    _, job = ordered(KLING, FAL)
    with world.worker():
        done = ended(job.id)
    assert (done.status, done.meta["engine"]) == ("done", "fal")
    assert states(job.id)[0][:2] == ("failed", "yes")


def test_too_many_requests_are_waited_out_without_another_create(world, before):
    world.fault("replicate", "status", status=429, retry_after=2)
    creates = world.calls("replicate")
    _, job = ordered(KLING)
    with world.worker():
        assert ended(job.id).status == "done"
    assert world.calls("replicate") == creates + 2
    assert accepted(world, before) == 1


def test_polls_keep_the_silence_that_the_provider_asks_for(world):
    world.default("replicate", run_seconds=2.0)
    world.fault("replicate", "status", call="poll", status=429, retry_after=4)
    polls = world.calls("replicate", "poll")
    _, job = ordered()
    looks = [now()]
    with world.worker():
        wait_until(lambda: looks.append(now()) or world.calls("replicate", "poll") > polls)
        wait_until(lambda: world.calls("replicate", "poll") > polls + 1)
        # The first poll came after the last look but one, which did not see it.
        assert now() - looks[-2] >= timedelta(seconds=4)
        assert ended(job.id).status == "done"


def test_a_burst_of_failures_opens_the_breaker_and_a_trial_closes_it(world):
    world.fault("replicate", "status", call="upload", status=503, times=50)
    offered = offer(KLING)[KLING]
    placed = [
        make_job(make_user(PRICE).id, "animate", data_id=stored_photo().id, model_id=offered)
        for _ in range(3)
    ]
    with world.worker():
        wait_until(lambda: breaker("replicate").open_code == "failures", 40)
        world.sandbox.control("DELETE", "/replicate/faults")

        def all_end() -> bool:
            paused = Engine.open_until.is_not(None)
            with transaction() as session:  # a minute passes
                session.execute(update(Engine).where(paused).values(open_until=now()))
            return all(job_of(job.id).status in ("done", "failed") for job in placed)

        # More than one minute: a call that failed on the way may open it once more.
        wait_until(all_end)
    assert breaker("replicate").open_code is None


def test_no_more_is_in_flight_than_the_engine_takes(world):
    world.default("replicate", run_seconds=2.0)
    with transaction() as session:
        session.get_one(Engine, "replicate").max_in_flight = 2
    offered = offer(KLING)[KLING]
    placed = [
        make_job(make_user(PRICE).id, "animate", data_id=stored_photo().id, model_id=offered)
        for _ in range(5)
    ]

    def in_flight() -> int:
        with transaction() as session:
            open_ones = engines.usage(session, "replicate", now=now()).in_flight
        assert open_ones <= 2
        return int(open_ones)

    with world.worker(), world.worker():
        wait_until(lambda: in_flight() == 2)
        wait_until(lambda: in_flight() == 0 and all(attempts_of(job.id) for job in placed), 60)
        assert {ended(job.id).status for job in placed} == {"done"}


def test_what_may_be_spent_in_a_day_closes_the_engine_until_the_next(world, before):
    with transaction() as session:
        session.get_one(Engine, "replicate").daily_cost = Decimal("0.50")
    offered = offer(KLING, FAL)[KLING]
    placed = [
        make_job(make_user(PRICE).id, "animate", data_id=stored_photo().id, model_id=offered)
        for _ in range(3)
    ]
    with world.worker():
        done = [ended(job.id) for job in placed]
    assert sorted(job.meta["engine"] for job in done) == ["fal", "fal", "replicate"]
    assert breaker("replicate").open_code == "daily_cost"


def test_a_stopped_worker_leaves_its_jobs_to_the_next_one(world, before):
    world.default("replicate", run_seconds=4.0)
    _, job = ordered()
    with world.worker() as first:
        wait_until(lambda: states(job.id) and attempts_of(job.id)[0].state == "running")
        first.send_signal(signal.SIGTERM)
        assert first.wait(25) == 0
    with world.worker():
        assert ended(job.id).status == "done"
    assert (accepted(world, before), len(attempts_of(job.id))) == (1, 1)


def test_a_key_that_was_taken_away_loses_no_job(world):
    world.default("replicate", run_seconds=1.0)
    _, job = ordered()
    with world.worker():
        wait_until(lambda: states(job.id) and attempts_of(job.id)[0].state == "running")
    with world.worker(REPLICATE_API_TOKEN="", LOG_LEVEL="ERROR"):
        wait_until(lambda: attempts_of(job.id)[0].due_at > in_seconds(30))
    with transaction() as session:
        session.get_one(GenerationAttempt, attempts_of(job.id)[0].id).due_at = now()
    with world.worker():
        assert ended(job.id).status == "done"
