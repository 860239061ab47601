"""The overview: each number is that of its list, and red only when somebody must act."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from db import reading, transaction
from db.connections import engine
from db.types import now
from services import attention, breakers, checks, overview
from services.attention import Signal
from tests.busy_days import a_busy_day, compute, today
from tests.factories import make_job, make_user

pytestmark = pytest.mark.usefixtures("no_rows")


def signals(*, hours: float = 0) -> dict[str, Signal]:
    with reading() as reader:
        found = attention.signals(reader, now=now() + timedelta(hours=hours))
    return {each.name: each for each in found}


def execute(sql: str) -> None:
    with engine().begin() as connection:
        connection.execute(text(sql))


def test_a_quiet_shop_needs_nobody():
    assert not [each.name for each in signals().values() if each.act or each.n]


def test_a_queue_needs_somebody_when_its_oldest_order_waits_too_long():
    user = make_user(100)
    for _ in range(2):
        make_job(user.id)
    assert (signals()["queue"].n, signals()["queue"].act) == (2, False)
    late = signals(hours=0.1)["queue"]
    assert (late.n, late.act, late.page, late.filters) == (2, True, "jobs", {"status": "queued"})


def test_nothing_is_counted_beyond_what_anybody_would_read():
    execute(
        "INSERT INTO payment_events (id, provider, event_key, kind, state, reason, notice)"
        " SELECT gen_random_uuid(), 'stripe', n::text, 'x', 'parked', 'unknown_reference', '{}'"
        " FROM generate_series(1, 150) n"
    )
    parked = signals()["parked_events"]
    assert (parked.n, parked.is_more, parked.act) == (attention.MOST + 1, True, True)


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        (
            "held_reviews",
            "INSERT INTO reviews (id, chat, message_id, text_sha256, state, posted_at)"
            " VALUES (gen_random_uuid(), '-100', 1, 'x', 'held', now())",
        ),
        (
            "dead_events",
            "INSERT INTO events (id, type, body, state)"
            " VALUES (gen_random_uuid(), 'x', '{}', 'dead')",
        ),
        (
            "requests",
            "INSERT INTO support_requests (id, user_id, topic, message)"
            " SELECT gen_random_uuid(), id, 'help', 'x' FROM users LIMIT 1",
        ),
        (
            "troubled_payments",
            "INSERT INTO payments (id, user_id, provider, amount_rub, tokens, asked_minor,"
            " asked_currency, payer_telegram_id, expires_at, last_error) SELECT gen_random_uuid(),"
            " id, 'stripe', 1, 1, 1, 'RUB', '1', now(), 'x' FROM users LIMIT 1",
        ),
    ],
)
def test_what_waits_for_a_person_is_red(name, sql):
    make_user()
    execute(sql)
    found = signals()[name]
    assert (found.n, found.act) == (1, True)
    assert [each.name for each in signals().values() if each.act] == [name]


def test_events_that_are_late_and_breakers_that_only_the_operator_closes_are_red():
    execute(
        "INSERT INTO events (id, type, body, state, next_at)"
        " VALUES (gen_random_uuid(), 'x', '{}', 'pending', now())"
    )
    with transaction() as session:
        breakers.pause(session, "fal", until=now() + timedelta(hours=9), code=breakers.BUSY)
    soon, later = signals(), signals(hours=1)
    assert [soon[name].n for name in ("undelivered_events", "open_breakers")] == [1, 1]
    assert not any(each.act for each in soon.values())
    assert [each.name for each in later.values() if each.act] == ["undelivered_events"]
    with transaction() as session:
        breakers.locked_out(session, "polza", now=now(), code="credit", detail="")
    assert signals()["open_breakers"].act
    with transaction() as session:
        for name in ("fal", "polza"):
            breakers.close(session, name)


def test_a_check_is_red_when_a_rule_is_broken_or_none_was_made_for_days():
    proof = checks.Proof(5, {"holds": [], "broken": ["x"]})
    with transaction() as session:
        checks.record(session, checks.FIGURES, checks.Proof(5, {"holds": []}), seconds=1)
        checks.record(session, checks.LEDGER, proof, seconds=1)
    assert (signals()["ledger_check"].n, signals()["ledger_check"].act) == (1, True)
    assert not signals()["figures_check"].act
    assert signals(hours=100)["figures_check"].act


def test_the_overview_tells_of_the_last_minutes():
    a_busy_day()
    compute()
    with reading() as reader:
        found = overview.read(reader, now=now())
    assert [(each.code, each.n) for each in found.failures] == [("no_face", 1)]
    assert found.daily_rub == {"stripe": [*[Decimal(0)] * 29, Decimal(150)]}
    assert (found.people.registered, found.people.payment) == (3, 1)
    assert [(each.day, each.service) for each in found.times] == [(today(), "restore")]
    assert found.margin.orders == 1
    assert found.tokens_owed > 0
