"""Money: what the ledger promises, and what the database refuses even when Python is careless."""

from __future__ import annotations

from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from db import snapshot, transaction
from db.connections import engine
from services import funding, jobs, ledger
from tests.factories import balance, make_job, make_user


def execute(sql: str, **values: object) -> None:
    with engine().begin() as connection:
        connection.execute(text(sql), values)


def test_a_move_changes_the_balance_and_says_what_is_left():
    user = make_user(10)
    with transaction() as session:
        row = ledger.post(session, user.id, Decimal("-2.55"), type="promo", bonus_key="x", meta={})
    assert row.balance_after == Decimal("7.45")
    assert balance(user.id) == Decimal("7.45")


def test_a_move_below_zero_writes_nothing():
    user = make_user(1)
    with pytest.raises(ledger.NotEnoughTokens), transaction() as session:
        ledger.post(session, user.id, Decimal("-1.01"), type="promo", bonus_key="x")
    assert balance(user.id) == 1


def test_the_same_bonus_cannot_be_given_twice():
    user = make_user()
    with transaction() as session:
        funding.credit(session, user.id, Decimal(5), type="promo", bonus_key="channel:@a")
    with pytest.raises(IntegrityError), transaction() as session:
        funding.credit(session, user.id, Decimal(5), type="promo", bonus_key="channel:@a")
    assert balance(user.id) == 5


def test_parallel_moves_lose_nothing():
    user = make_user(100)
    start = Barrier(8)

    def spend() -> None:
        start.wait()
        for _ in range(10):
            with transaction() as session:
                ledger.post(session, user.id, Decimal(-1), type="promo", bonus_key=uuid4().hex)

    threads = [Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balance(user.id) == 20
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE users SET balance_tokens = balance_tokens + 100 WHERE id = :user",
        "UPDATE users SET ledger_seq = ledger_seq + 1 WHERE id = :user",
        "UPDATE transactions SET tokens_delta = 1 WHERE user_id = :user",
        "UPDATE transactions SET meta = '{}' WHERE user_id = :user",
        "DELETE FROM transactions WHERE user_id = :user",
        "TRUNCATE transactions CASCADE",
        "INSERT INTO transactions (id, user_id, type, tokens_delta, seq, balance_after, bonus_key)"
        " VALUES (gen_random_uuid(), :user, 'promo', 100, 2, 1100, 'forged')",
        "INSERT INTO transactions (id, user_id, type, tokens_delta, seq, balance_after, bonus_key)"
        " VALUES (gen_random_uuid(), :user, 'promo', 100, 3, 1100, 'gap')",
        "WITH u AS (UPDATE users SET balance_tokens = 5000, ledger_seq = 2 WHERE id = :user)"
        " INSERT INTO transactions (id, user_id, type, tokens_delta, seq, balance_after, bonus_key)"
        " VALUES (gen_random_uuid(), :user, 'promo', 100, 2, 5000, 'wrong sum')",
        "UPDATE users SET balance_tokens = -1 WHERE id = :user",
    ],
)
def test_the_database_refuses_a_careless_writer(tampering):
    user = make_user(10)
    with pytest.raises(DBAPIError):
        execute(tampering, user=user.id)
    assert balance(user.id) == 10


def test_check_finds_books_that_were_changed_past_the_guards():
    user = make_user(10)
    with engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE users SET balance_tokens = 999 WHERE id = :user"), {"user": user.id}
        )
    with snapshot() as session:
        found = ledger.violations(session)
    assert str(user.id) in found["balance is the sum of the moves"]
    assert str(user.id) in found["balance is that of the newest move"]
    with engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE users SET balance_tokens = 1000 WHERE id = :user"), {"user": user.id}
        )


@pytest.mark.parametrize("amount", ["0.001", "NaN", "Infinity", "1.999"])
def test_an_amount_with_more_than_two_decimals_never_reaches_the_database(amount):
    user = make_user()
    with pytest.raises(StatementError, match="two decimals"), transaction() as session:
        ledger.post(session, user.id, Decimal(amount), type="promo", bonus_key="x")


def test_a_credit_starts_waiting_jobs_oldest_first_while_it_lasts():
    user = make_user()
    dear, first, second = (
        make_job(user.id, "animate"),
        make_job(user.id, "restore"),
        make_job(user.id, "restore"),
    )
    with transaction() as session:
        funding.credit(session, user.id, Decimal(9), type="promo", bonus_key="gift")
    with transaction() as session:
        statuses = [jobs.get(session, job.id).status for job in (dear, first, second)]
    assert statuses == ["waiting_payment", "queued", "waiting_payment"]
    assert balance(user.id) == 4
