"""What is told of an order's position in the queue and its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from db import reading, transaction
from db.models import Engine, GenerationModel, Job
from db.types import now
from services import jobs, pace, waiting
from services.waiting import Outlook
from tests.factories import make_image, make_job, make_user

pytestmark = pytest.mark.usefixtures("no_rows")
RESTORE, ANIMATE = 15, 30  # usual seconds of the built-in models
RICH = 10_000


def change(job: Any, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(**values))


def run(job: Any, progress: int = 0) -> None:
    """Give the job to a worker."""
    lease = now() + timedelta(minutes=1)
    change(job, status="processing", lease_until=lease, progress=progress, attempt=1)


def outlook(job: Any) -> Outlook:
    with reading() as reader:
        return waiting.outlook(reader, jobs.get(reader, job.id))


def test_a_free_queue_takes_an_order_at_once() -> None:
    job = make_job(make_user(RICH).id)
    assert outlook(job) == Outlook(1, RESTORE)
    run(job, progress=40)
    assert outlook(job) == Outlook(None, 9)
    run(job, progress=100)
    assert outlook(job) == Outlook(None, 1)


def test_an_order_waits_for_those_before_it_shared_by_the_workers() -> None:
    user = make_user(RICH)
    for progress in (0, 50):
        run(make_job(user.id, "animate"), progress)
    first = make_job(user.id, photos=3)
    second = make_job(user.id)
    at_work = ANIMATE + ANIMATE / 2
    assert outlook(first) == Outlook(1, 23 + 3 * RESTORE)
    assert outlook(second) == Outlook(2, round((at_work + 3 * RESTORE) / 2) + RESTORE)


def test_what_a_model_took_lately_counts_more_than_what_it_usually_takes() -> None:
    user = make_user(RICH)
    for seconds in (2, 3, 3, 4, 900):  # one has waited for a worker that was killed
        done_in(user, seconds)
    for _ in range(pace.ENOUGH - 1):
        done_in(user, 77, "animate")  # too few
    assert measure() == 1
    job = make_job(user.id, photos=2)
    assert outlook(job) == Outlook(1, 2 * 3)
    run(make_job(user.id, "animate"))
    assert outlook(job) == Outlook(1, ANIMATE + 2 * 3)
    assert measure() == 0
    with transaction() as session:
        session.execute(update(Job).where(Job.status == "done").values(finished_at=long_ago()))
    assert measure() == 1
    assert outlook(job) == Outlook(1, ANIMATE + 2 * RESTORE)


def measure() -> int:
    with transaction() as session:
        return pace.measure(session, now=now())


def long_ago() -> datetime:
    return now() - 2 * pace.LATELY


def done_in(user: Any, seconds: int, service: str = "restore") -> None:
    job = make_job(user.id, service)
    started = now() - timedelta(minutes=20)
    result = {"result_data_id": make_image().id, "output": [{"type": "image"}], "progress": 100}
    moments = {"started_at": started, "finished_at": started + timedelta(seconds=seconds)}
    change(job, status="done", tokens_reserved=0, **result, **moments)


def test_nothing_is_promised_when_nobody_is_at_work() -> None:
    user = make_user(RICH)
    old, new = make_job(user.id), make_job(user.id)
    change(old, run_at=now() - timedelta(minutes=5))
    assert outlook(old) == Outlook(1, None)
    assert outlook(new) == Outlook(2, RESTORE)  # it may be that one is just starting
    silent = make_job(user.id)
    run(silent)
    change(silent, lease_until=now() - timedelta(seconds=1))
    assert outlook(old) == Outlook(1, None)


def test_the_count_ends_where_it_would_be_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user(RICH)
    monkeypatch.setattr(waiting, "MOST", 2)
    made = [make_job(user.id) for _ in range(4)]
    run(make_job(user.id))
    # The statement was built with the real limit.
    assert outlook(made[1]).eta_seconds
    assert outlook(made[3]) == Outlook(4, None)


def test_an_order_that_waits_for_money_or_has_ended_has_no_place() -> None:
    poor = make_job(make_user().id)
    assert outlook(poor) == Outlook()
    with transaction() as session:
        jobs.cancel(session, poor.id)
    assert outlook(poor) == Outlook()


def test_an_engine_at_a_provider_makes_several_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user(RICH)
    with transaction() as session:
        model = session.query(GenerationModel).filter_by(engine="fal", service_type="animate")
        model_id, seconds = model.first().id, model.first().usual_seconds
        session.execute(update(Engine).where(Engine.name == "fal").values(max_in_flight=2))
    made = [make_job(user.id, "animate") for _ in range(4)]
    for job in made:
        change(job, engine="fal", model_id=model_id)
    assert [outlook(job).eta_seconds for job in made[:2]] == [seconds, seconds]
    change(made[0], status="processing")
    change(made[1], status="processing")
    assert outlook(made[2]) == Outlook(1, 2 * seconds)
    assert outlook(made[3]) == Outlook(2, round(1.5 * seconds) + seconds)
    with transaction() as session:
        tomorrow = now() + timedelta(days=1)
        session.execute(
            update(Engine)
            .where(Engine.name == "fal")
            .values(open_until=tomorrow, open_code="credit")
        )
    assert outlook(made[2]) == Outlook(1, None)
