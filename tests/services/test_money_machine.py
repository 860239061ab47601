"""Random lives of users: whatever the sequence of pay, refund, order, cancel, finish and crash, the
books stay whole after every step.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select, text, update

from db import snapshot, transaction
from db.connections import database_url, engine
from db.models import Job
from db.types import now
from errors import ApiError
from providers.payments import Notice, Outcome
from services import data, grants, jobs, ledger, payments, queue, settlement
from tests import databases
from tests.factories import make_image, make_job, make_user

OUTCOMES = st.sampled_from(
    [
        "succeeded",
        "canceled",
        "expired",
        "refunded",
        "refund_failed",
        "disputed",
        "dispute_won",
        "dispute_lost",
    ]
)


class Crash(Exception):
    """The process dies before the commit."""


class MoneyMachine(RuleBasedStateMachine):
    users = Bundle("users")
    paid = Bundle("paid")
    orders = Bundle("orders")
    held = Bundle("held")

    @initialize()
    def begin(self):
        databases.empty(database_url())
        self.picture = make_image().id

    @rule(target=users, tokens=st.integers(0, 30))
    def register(self, tokens):
        return make_user(tokens).id

    @rule(target=paid, user=users, rubles=st.integers(50, 400))
    def open_payment(self, user, rubles):
        with transaction() as session:
            return payments.open(
                session,
                user,
                amount_rub=Decimal(rubles),
                provider="stripe",
                plan=None,
                now=now(),
            )

    @rule(payment=paid, outcome=OUTCOMES, part=st.integers(1, 100), crash=st.booleans())
    def tell(self, payment, outcome, part, crash):
        notice = Notice(
            provider="stripe",
            event_id=uuid4().hex,
            kind=outcome,
            outcome=Outcome(outcome),
            payment_id=payment.id,
            amount_minor=payment.asked_minor,
            currency="RUB",
            refunded_minor=payment.asked_minor * part // 100
            if outcome in ("refunded", "refund_failed")
            else None,
            refund_reference=uuid4().hex,
        )
        with suppress(Crash), transaction() as session:
            settlement.settle(session, notice)
            if crash:
                raise Crash

    @rule(
        target=orders,
        user=users,
        service=st.sampled_from(["animate", "restore"]),
        photos=st.sampled_from([1, 1, 2, 3]),
    )
    def order(self, user, service, photos):
        return make_job(user, service, photos=photos, data_id=self.picture).id

    @rule(job=orders)
    def cancel(self, job):
        with suppress(ApiError), transaction() as session:
            jobs.cancel(session, job)

    @rule(target=held)
    def claim(self):
        with transaction() as session:
            return queue.claim(session, "machine")

    @rule(claim=held, end=st.sampled_from(["finish", "fail", "retry", "silence"]))
    def end(self, claim, end):
        if claim is None:
            return
        with transaction() as session:
            if end == "finish":
                row = data.reserve(session, "image", content_type="image/jpeg", now=now())
                result: dict[str, Any] = {"size_bytes": 1, "meta": {}, "now": now()}
                session.flush()
                queue.finish(session, self.at_hand(claim), row.id, **result)
            elif end == "silence":
                session.execute(
                    update(Job)
                    .where(Job.id == claim.job_id, Job.status == "processing")
                    .values(lease_until=func.now() - timedelta(seconds=1))
                )
            else:
                claim = self.at_hand(claim)
                queue.fail(session, claim, code="x", message="x", retryable=end == "retry")

    def at_hand(self, claim):
        """The claim as its worker has it now, after the photos that have an outcome."""
        with snapshot() as session:
            results = session.scalar(select(Job.results).where(Job.id == claim.job_id))
        return replace(claim, photo_index=len(results or ()))

    @rule()
    def give_up_lost(self):
        with transaction() as session:
            queue.give_up_lost(session)

    @rule(user=users, tokens=st.integers(1, 20))
    def withdraw(self, user, tokens):
        with suppress(ledger.NotEnoughTokens), transaction() as session:
            grants.withdraw(session, user, Decimal(tokens), key=uuid4().hex, reason="x")

    @invariant()
    def books_are_whole(self):
        with snapshot() as session:
            found = {rule: rows for rule, rows in ledger.violations(session).items() if rows}
        assert not found


MoneyMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


class TestMoney(MoneyMachine.TestCase):  # type: ignore[valid-type]
    pass


def test_the_invariant_finds_a_balance_that_was_changed_past_the_guards(no_rows):
    user = make_user(5)
    MoneyMachine().books_are_whole()
    with engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        cook = text("UPDATE users SET balance_tokens = balance_tokens + 100 WHERE id = :id")
        connection.execute(cook, {"id": user.id})
    with pytest.raises(AssertionError):
        MoneyMachine().books_are_whole()
