from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, text, update

import settings
from db import reading, snapshot, transaction
from db.models import Job
from db.types import now
from services import data, ledger, queue
from services.results import Turn
from tests.factories import balance, make_job, make_user
from tests.job_steps import claim_next, current, silence
from tests.locks import wait_for_a_waiter
from tests.threads import at_once

PRICE = 5

pytestmark = pytest.mark.usefixtures("no_rows")  # with an empty queue


def ordered():
    return make_job(make_user(PRICE).id)


def is_due():
    with reading() as reader:
        return reader.scalar(text(queue.look()))


def finish(held):
    with transaction() as session:
        row = data.reserve(session, "image", content_type="image/jpeg", now=now())
    with transaction() as session:
        return queue.finish(session, held, row.id, size_bytes=10, meta={"engine": "t"}, now=now())


def fail(held, *, retryable=False):
    with transaction() as session:
        return queue.fail(session, held, code="broken", message="Сломалось.", retryable=retryable)


def test_the_oldest_due_job_is_taken_first_and_only_once():
    first, second = ordered(), ordered()
    assert [claim_next().job_id, claim_next().job_id, claim_next()] == [first.id, second.id, None]


def test_a_look_tells_whether_a_claim_would_find_a_job():
    looks = [is_due()]
    job = ordered()
    looks.append(is_due())
    claim_next()
    looks.append(is_due())
    silence(job.id)
    looks.append(is_due())
    assert looks == [False, True, False, True]
    for _ in range(settings.load().job_max_attempts - 1):
        assert is_due() and claim_next() is not None
        silence(job.id)
    assert not is_due() and claim_next() is None


def test_parallel_workers_never_share_a_job():
    made = {ordered().id for _ in range(6)}
    taken = [c.job_id for c in at_once(claim_next, 8) if c is not None]
    assert len(taken) == len(set(taken)) == 6
    assert set(taken) == made


def test_a_finished_job_consumes_its_reserve_and_shows_its_result():
    job = ordered()
    assert finish(claim_next()) is Turn.DONE
    done = current(job.id)
    assert (done.status, done.progress, done.tokens_reserved) == ("done", 100, 0)
    assert done.tokens_consumed == PRICE
    assert done.output == [{"type": "image", "dataId": str(done.result_data_id)}]
    assert balance(job.user_id) == 0


def test_a_failed_job_returns_its_tokens_and_says_why():
    job = ordered()
    assert fail(claim_next()) is Turn.FAILED
    failed = current(job.id)
    assert (failed.status, failed.tokens_reserved, failed.tokens_consumed) == ("failed", 0, 0)
    assert failed.meta["error"] == {"code": "broken", "message": "Сломалось."}
    assert balance(job.user_id) == PRICE


def test_trouble_that_may_pass_is_tried_again_later_and_then_given_up():
    job = ordered()
    for attempt in range(1, settings.load().job_max_attempts + 1):
        held = claim_next()
        assert held.attempt == attempt
        fail(held, retryable=True)
        assert claim_next() is None, "the next try must wait"
        with transaction() as session:
            session.execute(update(Job).where(Job.id == job.id).values(run_at=func.now()))
    assert current(job.id).status == "failed"
    assert balance(job.user_id) == PRICE


def test_a_silent_workers_job_is_taken_over_and_its_late_result_thrown_away():
    job = ordered()
    late = claim_next("first")
    silence(job.id)
    taken_over = claim_next("second")
    assert (taken_over.job_id, taken_over.attempt) == (job.id, late.attempt + 1)
    assert finish(late) is fail(late) is Turn.LOST
    with transaction() as session:
        assert not queue.renew(session, late, progress=50)
        assert not queue.release(session, late)
    assert finish(taken_over) is Turn.DONE
    assert finish(taken_over) is Turn.LOST


def test_a_job_that_kills_every_worker_fails_in_the_end():
    job = ordered()
    for _ in range(settings.load().job_max_attempts):
        assert claim_next().job_id == job.id
        silence(job.id)
    assert claim_next() is None
    with transaction() as session:
        assert queue.give_up_lost(session) == 1
        assert queue.give_up_lost(session) == 0
    assert current(job.id).meta["error"]["code"] == "worker_lost"
    assert balance(job.user_id) == PRICE


def test_a_released_job_goes_to_the_next_worker_at_once():
    job = ordered()
    held = claim_next()
    with transaction() as session:
        assert queue.release(session, held)
    assert claim_next().job_id == job.id


def test_progress_never_goes_back():
    job = ordered()
    held = claim_next()
    for progress in (40, 10):
        with transaction() as session:
            assert queue.renew(session, held, progress=progress)
    assert current(job.id).progress == 40


def test_finish_and_fail_at_once_end_the_job_one_way():
    job = ordered()
    held = claim_next()
    left = [finish, fail] * 3
    ends = at_once(lambda: left.pop()(held), 6)
    assert ends.count(Turn.LOST) == 5
    assert current(job.id).status in ("done", "failed")
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def test_the_wait_of_the_oldest_job_is_known():
    job = ordered()
    with transaction() as session:
        session.execute(
            update(Job).where(Job.id == job.id).values(run_at=func.now() - timedelta(seconds=90))
        )
        assert 89 < queue.oldest_wait_seconds(session) < 100


def test_an_operator_takes_a_job_from_a_worker_that_hangs_and_renews():
    job = ordered()
    stuck = claim_next("stuck")
    with transaction() as session:
        assert queue.retry(session, job.id).status == "queued"
    with transaction() as session:  # the next heartbeat, within a second
        assert not queue.renew(session, stuck, progress=10)
    assert claim_next("another").job_id == job.id
    assert finish(stuck) is Turn.LOST


def test_what_needs_no_retry_is_not_retried():
    job = ordered()
    with pytest.raises(ValueError, match="the job is queued"), transaction() as session:
        queue.retry(session, job.id)


def test_a_job_whose_worker_came_back_is_not_given_up():
    job = ordered()
    with transaction() as session:  # in its last attempt
        session.execute(update(Job).where(Job.id == job.id).values(attempt=2))
    held = claim_next()
    silence(job.id)

    def give_up():
        with transaction() as session:
            return queue.give_up_lost(session)

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            ledger.lock(session, job.user_id)  # anything of the same user
            giving_up = pool.submit(give_up)
            wait_for_a_waiter()
            with transaction() as other:
                assert queue.renew(other, held, progress=50)
        assert giving_up.result() == 0
    assert current(job.id).status == "processing"
    assert finish(held) is Turn.DONE


def test_what_a_stopping_worker_gives_back_uses_up_no_try():
    job = ordered()
    for _ in range(2):  # two deployments
        with transaction() as session:
            assert queue.release(session, claim_next())
    fail(claim_next(), retryable=True)
    assert current(job.id).status == "queued"  # its first trouble
