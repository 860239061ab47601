"""Orders of several photos: each is priced, delivered or paid back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

import settings
from db import snapshot, transaction
from db.models import Data, Job, Transaction
from db.rows import JobRow
from db.types import now
from errors import ApiError
from services import data, grants, jobs, ledger, queue
from services.queue import Claim
from services.results import Turn
from tests.factories import balance, make_job, make_user
from tests.job_steps import claim_next, current, silence
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("no_rows")  # with an empty queue

PRICE, RUB = 5, 50
ERROR = {"code": "broken", "message": "Сломалось."}


@pytest.fixture(autouse=True)
def _whole_books(database: str) -> Iterator[None]:
    yield
    with snapshot() as session:
        assert {rule: rows for rule, rows in ledger.violations(session).items() if rows} == {}


def ordered(photos: int = 3, tokens: int | None = None) -> JobRow[UUID]:
    user = make_user(PRICE * photos if tokens is None else tokens)
    return make_job(user.id, photos=photos)


def taken() -> Claim:
    held = claim_next()
    assert held is not None
    return held


def deliver(held: Claim, kind: str = "image") -> Turn:
    """Store a result of the photo at hand and finish it."""
    content = {"image": "image/jpeg", "video": "video/mp4"}[kind]
    with transaction() as session:
        row = data.reserve(session, kind, content_type=content, now=now())
    meta = {"index": held.photo_index}
    with transaction() as session:
        return queue.finish(session, held, row.id, size_bytes=10, meta=meta, now=now())


def break_off(held: Claim, *, retryable: bool = False, **error: str) -> Turn:
    with transaction() as session:
        return queue.fail(session, held, **(ERROR | error), retryable=retryable)


def due_now(job_id: UUID) -> None:
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_at=func.now()))


def refunds(job: JobRow[UUID]) -> list[tuple[Any, dict[str, Any]]]:
    with snapshot() as session:
        rows = session.execute(
            select(Transaction.tokens_delta, Transaction.meta).where(
                Transaction.job_id == job.id, Transaction.type == "refund"
            )
        )
        return [tuple(row) for row in rows]


def file_status(data_id: str) -> str | None:
    with snapshot() as session:
        return session.scalar(select(Data.status).where(Data.id == UUID(data_id)))


def test_every_photo_is_priced() -> None:
    job = ordered(3)
    assert (job.tokens_reserved, job.price_rub) == (3 * PRICE, 3 * RUB)
    assert (job.status, job.tokens_reserved) == ("queued", 3 * PRICE)
    assert balance(job.user_id) == 0


def test_an_order_waits_until_all_its_photos_are_paid() -> None:
    job = ordered(3, tokens=2 * PRICE)
    assert (job.status, job.tokens_reserved) == ("waiting_payment", 0)
    with transaction() as session:
        grants.grant(session, job.user_id, Decimal(PRICE), key=f"rest-{job.id}", reason="test")
    assert current(job.id).status == "queued"
    assert balance(job.user_id) == 0


def test_results_come_in_the_order_of_the_photos_and_are_shown_together() -> None:
    job = ordered(3)
    held = taken()
    for index, progress in enumerate((33, 66)):
        assert held.photo == job.input[index] and held.input_key is not None
        assert held.overall(50) == (100 * index + 50) // 3
        assert deliver(held, "video" if index else "image") is Turn.NEXT
        held = held.next_photo()
        running = current(job.id)
        assert (running.status, running.progress) == ("processing", progress)
        assert (running.output, running.result_data_id) == ([], None)
        assert file_status(running.results[index]["dataId"]) == "pending"
    assert deliver(held) is Turn.DONE
    done = current(job.id)
    assert (done.status, done.progress) == ("done", 100)
    assert (done.tokens_consumed, done.tokens_reserved) == (3 * PRICE, 0)
    assert [(each["type"], each["meta"]) for each in done.output] == [
        ("image", {"model": "restore-standard", "index": 0}),
        ("video", {"model": "restore-standard", "index": 1}),
        ("image", {"model": "restore-standard", "index": 2}),
    ]
    assert done.output[0]["dataId"] == str(done.result_data_id)
    assert {file_status(each["dataId"]) for each in done.output} == {"confirmed"}
    assert done.meta == {"model": "restore-standard", "index": 0} and refunds(job) == []


@pytest.mark.parametrize("failed", [[0], [1], [2], [0, 1], [0, 2], [1, 2]], ids=str)
def test_what_could_not_be_made_is_paid_back(failed: list[int]) -> None:
    job = ordered(3)
    held = taken()
    for index in range(3):
        turn = break_off(held) if index in failed else deliver(held)
        held = held.next_photo()
    assert turn is Turn.DONE
    done = current(job.id)
    delivered = 3 - len(failed)
    assert (done.status, done.tokens_consumed) == ("done", delivered * PRICE)
    assert refunds(job) == [
        (len(failed) * PRICE, {"reason": "failed", "failedPhotos": len(failed)})
    ]
    assert balance(job.user_id) == len(failed) * PRICE
    for index, shown in enumerate(done.output):
        if index in failed:
            assert shown == {"meta": {"error": ERROR}}
        else:
            assert shown["type"] == "image" and shown["meta"] == {
                "model": "restore-standard",
                "index": index,
            }
    first = next(each for each in done.output if "dataId" in each)
    assert str(done.result_data_id) == first["dataId"]
    assert "error" not in done.meta


def test_what_is_paid_back_starts_an_order_that_waited() -> None:
    job = ordered(2)
    waiting = make_job(job.user_id)
    held = taken()
    deliver(held)
    assert break_off(held.next_photo()) is Turn.DONE
    assert current(waiting.id).status == "queued"
    assert balance(job.user_id) == 0


def test_an_order_of_which_nothing_could_be_made_fails() -> None:
    job = ordered(2)
    held = taken()
    assert break_off(held, code="first") is Turn.NEXT
    assert break_off(held.next_photo(), code="second") is Turn.FAILED
    failed = current(job.id)
    assert (failed.status, failed.output, failed.results) == ("failed", [], [])
    assert failed.meta == {"reason": "failed", "error": ERROR | {"code": "first"}}
    assert balance(job.user_id) == 2 * PRICE


def test_the_next_attempt_goes_on_after_what_is_finished() -> None:
    job = ordered(3)
    held = taken()
    deliver(held)
    assert break_off(held.next_photo(), retryable=True) is Turn.AGAIN
    waiting = current(job.id)
    assert (waiting.status, waiting.progress) == ("queued", 33)
    due_now(job.id)
    again = taken()
    assert (again.photo_index, again.attempt, current(job.id).progress) == (1, 2, 33)
    assert deliver(again) is Turn.NEXT
    assert deliver(again.next_photo()) is Turn.DONE
    assert [each["meta"]["index"] for each in current(job.id).output] == [0, 1, 2]


def test_each_photo_has_all_the_tries() -> None:
    job = ordered(3)
    tries = settings.load().job_max_attempts
    held = taken()
    for index in range(3):
        for _ in range(tries - 1):
            assert held.photo_index == index
            assert break_off(held, retryable=True) is Turn.AGAIN
            due_now(job.id)
            held = taken()
        turn = deliver(held) if index < 2 else break_off(held, retryable=True)
        held = held.next_photo()
    assert turn is Turn.DONE
    assert held.attempt == 1 + 3 * (tries - 1)
    assert current(job.id).tokens_consumed == 2 * PRICE


def test_a_photo_that_kills_every_worker_does_not_take_the_others_with_it() -> None:
    job = ordered(3)
    deliver(taken())
    silence(job.id)  # in its first try of the second photo
    for _ in range(settings.load().job_max_attempts - 1):
        assert taken().photo_index == 1
        silence(job.id)
    assert claim_next() is None
    with transaction() as session:
        assert queue.give_up_lost(session) == 1
        assert queue.give_up_lost(session) == 0
    held = taken()
    assert held.photo_index == 2
    assert deliver(held) is Turn.DONE
    done = current(job.id)
    assert done.output[1]["meta"]["error"]["code"] == "worker_lost"
    assert (done.tokens_consumed, balance(job.user_id)) == (2 * PRICE, PRICE)


def test_a_worker_that_is_late_changes_nothing() -> None:
    job = ordered(2)
    held = taken()
    assert deliver(held) is Turn.NEXT
    assert deliver(held) is break_off(held) is Turn.LOST  # this photo has its outcome
    silence(job.id)
    other = taken()
    assert other.photo_index == 1
    assert deliver(held.next_photo()) is Turn.LOST
    assert deliver(other) is Turn.DONE


def test_ends_at_once_end_each_photo_once() -> None:
    job = ordered(2)
    held = taken()
    for turns in ({Turn.NEXT}, {Turn.DONE, Turn.FAILED}):
        acts = [deliver, break_off] * 3
        ends = at_once(lambda held=held, acts=acts: acts.pop()(held), 6)
        assert ends.count(Turn.LOST) == 5 and turns & set(ends)
        held = held.next_photo()
    assert current(job.id).status in ("done", "failed")


def test_a_cancelled_order_is_paid_back_whole_and_shows_nothing() -> None:
    job = ordered(2)
    held = taken()
    deliver(held)
    kept = current(job.id).results[0]["dataId"]
    with pytest.raises(ApiError, match="job_not_cancellable"), transaction() as session:
        jobs.cancel(session, job.id)
    with transaction() as session:
        assert queue.release(session, held.next_photo())
    with transaction() as session:
        jobs.cancel(session, job.id)
    ended = current(job.id)
    assert (ended.status, ended.output, ended.results) == ("failed", [], [])
    assert balance(job.user_id) == 2 * PRICE
    assert file_status(kept) == "pending"  # swept like any upload that nobody confirms
    with pytest.raises(ApiError, match="data_not_confirmed"):
        make_job(make_user(PRICE).id, data_id=kept)


def test_an_order_whose_first_results_were_swept_meanwhile_starts_over() -> None:
    job = ordered(2)
    held = taken()
    deliver(held)
    kept = current(job.id).results[0]["dataId"]
    with transaction() as session:
        assert queue.release(session, held.next_photo())
        long_ago = now() - timedelta(days=4000)
        session.execute(update(Data).where(Data.id == UUID(kept)).values(created_at=long_ago))
        data.expire(session, now=now(), limit=1)
    assert file_status(kept) == "deleted"
    held = taken()
    assert held.photo_index == 0
    deliver(held)
    assert deliver(held.next_photo()) is Turn.DONE


def test_the_operator_orders_all_photos_of_a_failed_order_again() -> None:
    job = ordered(2)
    held = taken()
    break_off(held)
    break_off(held.next_photo())
    with transaction() as session:
        again = queue.retry(session, job.id)
    assert (len(again.input), again.tokens_reserved, again.status) == (2, 2 * PRICE, "queued")


@pytest.mark.parametrize(
    "lie",
    [
        {"tokens_consumed": 10, "output": [{"dataId": "a"}, {"meta": {}}]},
        {"tokens_consumed": 5, "output": [{"dataId": "a"}, {"dataId": "b"}]},
        {"tokens_consumed": 10, "output": [{"dataId": "a"}]},  # as an earlier version ends it
        {"tokens_consumed": 0, "output": []},
        {"photos": 1},
        {"photos": 3},
        {"results": [{"dataId": "a"}, {"dataId": "b"}]},
    ],
    ids=str,
)
def test_the_database_refuses_a_wrong_bill(lie: dict[str, Any]) -> None:
    job = ordered(2)
    held = taken()
    deliver(held)
    with transaction() as session:
        result = session.scalar(select(Data.id).limit(1))
    ended = {"status": "done", "tokens_reserved": 0, "lease_until": None, "result_data_id": result}
    changes = lie if lie.keys() & {"photos", "results"} else lie | ended
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(**changes))
