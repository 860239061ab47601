"""A day of which there is something to count, and what is counted of it."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from db import transaction
from db.connections import engine
from db.types import now
from services import day_figures, days, queue
from tests.factories import make_job, make_user
from tests.job_steps import claim_job, finish_job
from tests.payment_events import buyer_with_payment
from tests.settlements import notice, settle


def today() -> date:
    """Of the moment of the test: while all tests run, a day may end in Moscow."""
    return days.of(now())


def execute(sql: str, **values: object) -> None:
    """Rewrite history, past the triggers that keep it."""
    with engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(sql), values)


def compute(day: date | None = None) -> None:
    """Compute the figures of a day, of today if none is given."""
    with transaction() as session:
        assert day_figures.compute(session, day or today(), now=now())


def a_busy_day() -> None:
    """One person orders and pays, part of which goes back; one sends a photo and leaves."""
    buyer, payment = buyer_with_payment("stripe")
    assert settle(notice(payment, "succeeded")).state == "applied"
    back = notice(payment, "refunded", refunded_minor=5000, refund_reference="r1")
    assert settle(back).state == "applied"
    finish_job(claim_job(make_job(buyer).id))
    failed = claim_job(make_job(buyer).id)
    with transaction() as session:
        queue.fail(session, failed, code="no_face", message="-", retryable=False)
    make_job(make_user().id)
    make_user(3)
