from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from db import transaction
from db.rows import JobRow
from errors import ApiError
from services import jobs, ledger
from tests.factories import balance, make_image, make_job, make_user
from tests.job_steps import claim_job
from tests.threads import at_once

RESTORE, ANIMATE = 5, 10


def cancel(job_id):
    with transaction() as session:
        return jobs.cancel(session, job_id)


def current(job_id: UUID) -> JobRow[UUID]:
    with transaction() as session:
        return jobs.get(session, job_id)


def entries(user_id):
    with transaction() as session:
        page = ledger.history(session, user_id, limit=50, cursor=None)
    return [(row.type, row.tokens_delta) for row in page.rows]


def test_a_covered_job_is_queued_and_its_price_reserved():
    user = make_user(ANIMATE)
    job = make_job(user.id, "animate")
    assert (job.status, job.tokens_reserved, job.tokens_consumed) == ("queued", ANIMATE, 0)
    assert balance(user.id) == 0
    assert entries(user.id)[0] == ("charge", Decimal(-ANIMATE))


def test_a_job_beyond_the_balance_waits_and_takes_nothing():
    user = make_user(ANIMATE - 1)
    job = make_job(user.id, "animate")
    assert (job.status, job.tokens_reserved) == ("waiting_payment", 0)
    assert balance(user.id) == ANIMATE - 1


def test_parallel_orders_cannot_overspend():
    user = make_user(RESTORE * 3)
    picture = make_image().id
    made = at_once(lambda: make_job(user.id, data_id=picture).status, 8)
    assert sorted(made) == ["queued"] * 3 + ["waiting_payment"] * 5
    assert balance(user.id) == 0


def test_a_cancelled_job_gives_its_tokens_back_once():
    user = make_user(RESTORE)
    job = make_job(user.id)
    ended = at_once(lambda: cancel(job.id), 6)
    assert {(e.status, e.meta["reason"]) for e in ended} == {("failed", "cancelled")}
    assert balance(user.id) == RESTORE
    assert [kind for kind, _ in entries(user.id)] == ["refund", "charge", "promo"]


def test_cancelling_a_waiting_job_moves_nothing():
    user = make_user()
    job = make_job(user.id)
    assert cancel(job.id).status == "failed"
    assert entries(user.id) == []


def test_the_tokens_of_a_cancelled_job_start_the_one_that_waited():
    user = make_user(ANIMATE)
    first, second = make_job(user.id, "animate"), make_job(user.id, "restore")
    cancel(first.id)
    assert current(second.id).status == "queued"
    assert balance(user.id) == ANIMATE - RESTORE


def test_a_job_in_work_cannot_be_cancelled():
    job = make_job(make_user(RESTORE).id)
    claim_job(job.id)
    with pytest.raises(ApiError) as refused:
        cancel(job.id)
    assert refused.value.code == "job_not_cancellable"


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"status": "pending", "size_bytes": None}, "data_not_confirmed"),
        ({"status": "deleted"}, "data_not_found"),
        ({"type": "video"}, "data_not_usable"),
    ],
)
def test_only_confirmed_pictures_can_be_ordered(broken, code):
    user = make_user(100)
    with pytest.raises(ApiError) as refused:
        make_job(user.id, data_id=make_image(**broken).id)
    assert refused.value.code == code
    assert balance(user.id) == 100


def test_an_unknown_picture_or_user_is_refused():
    with pytest.raises(ApiError, match="data_not_found"):
        make_job(make_user(100).id, data_id=uuid4())
    with pytest.raises(ApiError, match="user_not_found"):
        make_job(uuid4())


def test_pages_cover_every_job_once_newest_first():
    user = make_user()
    picture = make_image().id
    made = [str(make_job(user.id, data_id=picture).id) for _ in range(5)]
    seen, cursor = [], None
    while True:
        with transaction() as session:
            page = jobs.of_user(session, user.id, limit=2, cursor=cursor)
        seen += [job.id for job in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize("cursor", ["", "!", "0", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "ё"])
def test_a_cursor_that_is_not_ours_is_refused(cursor):
    with pytest.raises(ApiError) as refused, transaction() as session:
        jobs.of_user(session, make_user().id, limit=2, cursor=cursor)
    assert refused.value.code == "bad_request"
