"""What waits is told to the operator's alarms, and what took effect is counted once committed."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, update

from db import reading, transaction
from db.models import Job, Payment
from db.types import now
from providers.payments import Notice, Outcome
from services import breakers, checks, data, gauges, payments, queue, settlement
from telemetry import metrics
from telemetry.metrics import scrape
from tests.factories import make_job, make_user
from tests.scraping import Scraped

pytestmark = pytest.mark.usefixtures("no_rows")


@pytest.fixture(scope="module", autouse=True)
def _counting() -> None:
    metrics.start(None)


def read() -> dict[tuple[str, ...], float]:
    with reading() as reader:
        return {(each.name, *each.labels): each.value for each in gauges.read(reader)}


def counted(name: str, **labels: str) -> float:
    return Scraped(scrape.exposition().decode()).value(name, **labels) or 0


def test_live_orders_are_told_by_what_they_wait_for() -> None:
    user = make_user(15)
    late, later, at_work = (make_job(user.id) for _ in range(3))
    make_job(user.id)  # nothing is left to pay for it
    with transaction() as session:
        claimed = queue.claim(session, "w1")
        assert claimed is not None and claimed.job_id == late.id
        for job, delay in ((later, 60), (at_work, -90)):
            moment = func.now() + timedelta(seconds=delay)
            session.execute(update(Job).where(Job.id == job.id).values(run_at=moment))
    found = read()
    assert ("livephoto_wal_archived_timestamp_seconds",) not in found, "nothing is archived here"
    states = {key[1:]: value for key, value in found.items() if key[0] == "livephoto_queue_jobs"}
    assert states == {
        ("embedded", "due"): 1,
        ("embedded", "delayed"): 1,
        ("remote", "due"): 0,
        ("remote", "delayed"): 0,
        ("any", "processing"): 1,
        ("any", "waiting_payment"): 1,
    }
    assert 90 <= found["livephoto_queue_oldest_wait_seconds", "embedded"] < 600
    assert found["livephoto_queue_oldest_wait_seconds", "remote"] == 0
    assert found["livephoto_workers_seen",] == 1


def test_an_engine_that_takes_no_orders_is_told_with_the_reason() -> None:
    with transaction() as session:
        breakers.locked_out(session, "fal", now=now(), code="credit", detail="no money")
    closed = {key[1:] for key in read() if key[0] == "livephoto_engine_closed"}
    assert closed == {("fal", "credit")}
    with transaction() as session:
        breakers.close(session, "fal")
    assert not [key for key in read() if key[0] == "livephoto_engine_closed"]


def pay(user_id: UUID, *, amount: Decimal = Decimal(200)) -> Notice:
    """The report on a payment of 200 rubles, which says this amount."""
    with transaction() as session:
        payment = payments.open(
            session, user_id, amount_rub=Decimal(200), provider="yookassa", plan=None, now=now()
        )
        payments.attach(
            session,
            payment.id,
            reference=uuid4().hex,
            url="https://pay.example/1",
            asked_minor=payment.asked_minor,
            asked_currency="RUB",
            expires_at=None,
        )
    return Notice(
        provider="yookassa",
        event_id=uuid4().hex,
        kind="payment.succeeded",
        outcome=Outcome.SUCCEEDED,
        payment_id=payment.id,
        amount_minor=int(amount * 100),
        currency="RUB",
    )


def test_money_is_counted_when_it_is_committed_and_only_then() -> None:
    user = make_user()
    notice = pay(user.id)
    revenue = counted("revenue_kopecks_total", provider="yookassa")
    succeeded = counted("payments_total", provider="yookassa", status="succeeded")
    with pytest.raises(ZeroDivisionError), transaction() as session:
        settlement.settle(session, notice)
        raise ZeroDivisionError
    assert counted("revenue_kopecks_total", provider="yookassa") == revenue
    for _ in range(2):  # the second is a repeat
        with transaction() as session:
            settlement.settle(session, notice)
    assert counted("revenue_kopecks_total", provider="yookassa") == revenue + 20_000
    assert counted("payments_total", provider="yookassa", status="succeeded") == succeeded + 1


def test_what_waits_for_a_person_is_told() -> None:
    user = make_user()
    parked = counted("payment_events_total", provider="yookassa", state="parked")
    with transaction() as session:
        settlement.settle(session, pay(user.id, amount=Decimal(1)))
        long_ago = now() - timedelta(hours=2)
        session.execute(update(Payment).values(expires_at=long_ago))
    found = read()
    assert found["livephoto_payment_events_parked",] == 1
    assert found["livephoto_payments_overdue",] == 1
    assert counted("payment_events_total", provider="yookassa", state="parked") == parked + 1


def test_an_order_is_counted_with_the_time_it_took() -> None:
    job = make_job(make_user(5).id)
    labels = {"service": "restore", "outcome": "done"}
    before = counted("job_total_seconds_count", **labels)
    with transaction() as session:
        claim = queue.claim(session, "w")
        assert claim is not None and claim.job_id == job.id and claim.waited_seconds >= 0
        row = data.reserve(session, "image", content_type="image/jpeg", now=now())
    with transaction() as session:
        queue.finish(session, claim, row.id, size_bytes=10, meta={}, now=now())
    assert counted("job_total_seconds_count", **labels) == before + 1


def test_the_last_proof_of_the_books_is_told_with_its_moment() -> None:
    with transaction() as session:
        for broken in ({"a": ["1"]}, {"a": ["1"], "b": ["2"], "c": []}):
            checks.record(session, checks.LEDGER, checks.Proof(10, broken), seconds=1.0)
    found = read()
    assert found["livephoto_check_violations", "ledger"] == 2
    assert abs(found["livephoto_check_timestamp_seconds", "ledger"] - time.time()) < 600
    assert ("livephoto_check_violations", "figures") not in found  # none was ever made
    assert ("livephoto_token_liability",) in found
