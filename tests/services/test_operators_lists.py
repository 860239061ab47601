"""What the operator leafs through: narrowed by any filters together, whole while rows are added."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import reading, transaction
from db.models import Job, Payment, User
from db.types import now
from errors import ApiError
from services import inbox, jobs, listed_jobs, payments, people, queue, support, timeline
from services.inbox import Verdict
from tests.factories import make_job, make_user
from tests.payment_events import buyer_with_payment
from tests.settlements import notice, settle

pytestmark = pytest.mark.usefixtures("no_rows")


def every(listed, **filters):
    """All pages of a list, two rows each."""
    rows, cursor = [], None
    with reading() as reader:
        while True:
            page = listed(reader, limit=2, cursor=cursor, **filters)
            rows += page.rows
            cursor = page.next_cursor
            if cursor is None:
                return rows


def age(table, row_id, days):
    with transaction() as session:
        session.get_one(table, row_id).created_at = now() - timedelta(days=days)


def test_orders_are_narrowed_by_state_service_error_worker_and_period():
    user = make_user(1000)
    made = [make_job(user.id, each) for each in ("animate", "restore", "restore", "animate")]
    waiting = make_job(make_user().id)
    with transaction() as session:
        claimed = queue.claim(session, "a-worker")
        jobs.fail(session, made[3].id, reason="a test")
    age(Job, made[1].id, 40)

    def ids(**filters):
        return [row.id for row in every(listed_jobs.newest, **filters)]

    # By time, so the one that was made older comes last.
    assert ids() == [waiting.id, made[3].id, made[2].id, made[0].id, made[1].id]
    assert ids(status="waiting_payment") == [waiting.id]
    assert ids(service_type="animate") == [made[3].id, made[0].id]
    assert ids(status="failed", error_code="operator") == [made[3].id]
    assert ids(error_code="engine_crashed") == []
    assert ids(worker="a-worker") == [claimed.job_id]
    month_ago = now() - timedelta(days=30)
    assert ids(until=month_ago) == [made[1].id]
    assert ids(since=month_ago, service_type="restore") == [waiting.id, made[2].id]


def test_a_list_refuses_a_filter_that_it_does_not_have():
    with reading() as reader, pytest.raises(TypeError, match="no filters of this list: stat$"):
        listed_jobs.newest(reader, limit=2, cursor=None, stat="failed")  # type: ignore[call-arg]


def test_payments_are_narrowed_by_state_provider_trouble_and_period():
    made = [buyer_with_payment(provider)[1] for provider in ("stripe", "telegram", "stripe")]
    settle(notice(made[0], "succeeded"))
    with transaction() as session:
        for payment in made[:2]:
            payments.note_trouble(session, payment.id, "does not answer")
    age(Payment, made[2].id, 40)

    def ids(**filters):
        return [row.id for row in every(payments.listed, **filters)]

    assert ids() == [made[1].id, made[0].id, made[2].id]
    assert ids(provider="stripe") == [made[0].id, made[2].id]
    assert ids(status="succeeded") == [made[0].id]
    assert ids(troubled=True) == [made[1].id, made[0].id]
    assert ids(until=now() - timedelta(days=30), status="pending") == [made[2].id]


def test_money_that_arrives_ends_the_trouble_of_its_payment():
    _, payment = buyer_with_payment("stripe")
    with transaction() as session:
        payments.note_trouble(session, payment.id, "does not answer")
    settle(notice(payment, "succeeded"))
    assert every(payments.listed, troubled=True) == []


def test_people_are_listed_by_when_they_came_and_those_of_the_same_moment_once_each():
    users = [make_user() for _ in range(5)]
    moment = now()
    with transaction() as session:
        for each in users:
            session.get_one(User, each.id).created_at = moment
        people.ban(session, users[2].id, reason="fraud", now=now())
    assert {row.id for row in every(people.listed)} == {each.id for each in users}
    assert len(every(people.listed)) == 5
    assert [row.id for row in every(people.listed, banned=True)] == [users[2].id]


@pytest.mark.parametrize("cursor", ["x", "MTI", "MjAyNi0wMS0wMSAx", "ÿ", "LTEgLTE"])
def test_a_cursor_of_no_page_is_refused(cursor):
    with reading() as reader, pytest.raises(ApiError, match="bad_request"):
        listed_jobs.newest(reader, limit=2, cursor=cursor)
    with reading() as reader, pytest.raises(ApiError, match="bad_request"):
        timeline.of_user(reader, make_user().id, limit=2, cursor=cursor)


def test_a_parked_event_is_dismissed_once_and_its_repeat_stays_so():
    _, payment = buyer_with_payment("stripe")
    wrong = notice(payment, "succeeded", amount_minor=1)
    stranger = notice(payment, "succeeded", payment_id=None, reference="unknown")
    assert settle(wrong).state == settle(stranger).state == "parked"
    for parked in every(inbox.listed, state="parked"):
        with transaction() as session:
            event = inbox.dismiss(session, parked.id, reason="a test of theirs")
        assert (event.state, event.reason) == ("ignored", "dismissed: a test of theirs")
        with transaction() as session, pytest.raises(ValueError, match="ignored, not parked"):
            inbox.dismiss(session, parked.id, reason="again")
    assert settle(wrong) == Verdict("ignored", "dismissed: a test of theirs", payment.id)
    settle(stranger)
    assert every(inbox.listed, state="parked") == []


def test_a_timeline_has_all_that_happened_once_in_the_order_of_time():
    inviter = make_user(100)
    make_user(ref_code=inviter.ref_code)
    job = make_job(inviter.id)
    with transaction() as session:
        support.create(session, inviter.id, topic="help", message="Where is it?", now=now())
        jobs.cancel(session, job.id)
    entries, cursor = [], None
    with reading() as reader:
        while True:
            page = timeline.of_user(reader, inviter.id, limit=2, cursor=cursor)
            entries += page.rows
            cursor = page.next_cursor
            if cursor is None:
                break
    assert [(each.kind, each.what) for each in entries if each.kind != "transaction"] == [
        ("support", "help"),
        ("job", "restore"),
        ("referral", None),
    ]
    moves = [each for each in entries if each.kind == "transaction"]
    assert [each.what for each in moves] == ["refund", "charge", "promo"]
    assert moves[0].job_id == job.id and moves[2].note == "test"
    assert len({(each.kind, each.number) for each in entries}) == len(entries) == 6
