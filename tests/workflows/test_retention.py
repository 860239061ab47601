"""What is kept for a time goes after it: notices, events, requests; the duties of the workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

import settings
from db import snapshot, transaction
from db.models import PaymentEvent
from db.types import now
from providers.payments import Notice
from services import inbox, support
from tests.people_world import person
from worker.duties import DUTIES

DAYS = {"NOTICE_TTL_DAYS": 7, "EVENT_TTL_DAYS": 5, "SUPPORT_TTL_DAYS": 9}


@pytest.fixture(autouse=True)
def _times(database: str, no_rows: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, days in DAYS.items():
        monkeypatch.setenv(name, str(days))
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


def count(query: str) -> int:
    with snapshot() as session:
        return session.scalar(text(query)) or 0


def age(table: str, column: str, **interval: float) -> None:
    """Make all rows of a table older."""
    with transaction() as session:
        moved = text(f"UPDATE {table} SET {column} = now() - :age")
        session.execute(moved, {"age": timedelta(**interval)})


def run_duties() -> None:
    """All of them, once."""
    for _, _, work in DUTIES:
        work()


def test_what_leads_to_a_payer_goes_and_the_notice_still_counts_once() -> None:
    who = person()
    named = "SELECT count(*) FROM payment_events WHERE notice ? 'payer_id'"
    age("payment_events", "received_at", days=6.9)
    run_duties()
    assert count(named) == 1
    age("payment_events", "received_at", days=7.1)
    with transaction() as session:
        session.execute(text("UPDATE payment_events SET state = 'parked', reason = 'x'"))
    run_duties()
    assert count(named) == 1, "a parked one may still have to be applied"
    with transaction() as session:
        session.execute(text("UPDATE payment_events SET state = 'applied', reason = NULL"))
    run_duties()
    with snapshot() as session:
        event = session.query(PaymentEvent).one()
    assert "payer_id" not in event.notice and who.user.telegram_id not in str(event.notice)
    assert Notice.from_json(event.notice).payment_id == who.payment_id
    with transaction() as session:
        assert inbox.forget_notices(session, now=event.received_at + timedelta(days=99)) == 0


def test_events_go_when_they_are_old_also_those_that_could_not_be_delivered() -> None:
    person()
    with transaction() as session:
        session.execute(
            text("UPDATE events SET state = 'dead' WHERE type LIKE 'bonus%' AND state = 'kept'")
        )
    every = count("SELECT count(*) FROM events")
    assert every > count("SELECT count(*) FROM events WHERE state = 'dead'") > 0
    age("events", "created_at", days=4.9)
    run_duties()
    assert count("SELECT count(*) FROM events") == every
    age("events", "created_at", days=5.1)
    with transaction() as session:
        session.execute(
            text("UPDATE events SET state = 'pending', next_at = now() WHERE type = 'job.done'")
        )
    run_duties()
    assert count("SELECT count(*) FROM events") == count(
        "SELECT count(*) FROM events WHERE state = 'pending'"
    )


def test_closed_requests_go_and_open_ones_stay() -> None:
    who, waiting = person(), person()
    with transaction() as session:
        support.close(session, who.request, answer="done", now=now())
    for days, left in ((8.9, 2), (9.1, 1)):
        with transaction() as session:
            session.execute(
                text(
                    "UPDATE support_requests SET closed_at = now() - :age WHERE status = 'closed'"
                ),
                {"age": timedelta(days=days)},
            )
        run_duties()
        assert count("SELECT count(*) FROM support_requests") == left
    assert count(f"SELECT count(*) FROM support_requests WHERE number = {waiting.request}") == 1
