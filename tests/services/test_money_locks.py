"""All money movements at once, of people who invited each other: no deadlocks.

PostgreSQL ends a deadlock by failing one of its transactions; here none may fail so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

from psycopg2 import errorcodes
from sqlalchemy import update

from db import snapshot, transaction
from db.models import Job, Lottery
from db.rows import PaymentRow
from db.types import now
from errors import ApiError
from providers.payments import Outcome
from services import grants, jobs, ledger, lotteries, payments, settlement
from services.lotteries import Prize
from tests.factories import make_image, make_job, make_user
from tests.settlements import AMOUNT_RUB, notice, settle
from worker import duties

SECONDS, THREADS = 3.0, 8
OUTCOMES = [*Outcome]


def deadlocked(act: Callable[[], object]) -> bool:
    """Whether it failed with a deadlock; refusals and lock timeouts are fine."""
    try:
        act()
    except ledger.NotEnoughTokens:
        return False
    except ApiError as error:
        cause = getattr(error.__cause__, "orig", None)
        return getattr(cause, "pgcode", "") == errorcodes.DEADLOCK_DETECTED
    return False


def begun_payment(user_id: UUID) -> PaymentRow:
    """A payment of 200 rubles, of which the provider has not been asked yet."""
    with transaction() as session:
        return payments.open(
            session, user_id, amount_rub=AMOUNT_RUB, provider="stripe", plan=None, now=now()
        )


def waits_for_money(user_id: UUID, picture: UUID) -> UUID:
    """An order that nobody has paid for in time."""
    job = make_job(user_id, data_id=picture)
    with transaction() as session:
        old = now().replace(year=2000)
        session.execute(update(Job).where(Job.id == job.id).values(created_at=old))
    return job.id


class Crowd:
    """A chain of invitations, each of its people with payments and orders."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.picture = make_image().id
        self.users = [make_user()]
        for _ in range(3):
            self.users.append(make_user(ref_code=self.users[-1].ref_code))
        self.payments = [begun_payment(user.id) for user in self.users for _ in range(3)]
        self.deadlocks = 0

    def act(self, until: float) -> None:
        """Do random actions until then."""
        while time.monotonic() < until:
            self.deadlocks += deadlocked(self._chance.choice(self.acts()))

    def acts(self) -> list[Callable[[], object]]:
        payment, user = self._chance.choice(self.payments), self._chance.choice(self.users)
        return [
            partial(self.settle, payment),
            partial(self.settle, payment),
            partial(self.refuse, payment),
            partial(self.attach, payment),
            partial(self.withdraw, user.id),
            partial(self.order_and_cancel, user.id),
            partial(self.open_another, user.id),
            self.claim_due,
            duties._expire_waiting_jobs,
        ]

    def settle(self, payment: PaymentRow) -> None:
        event = notice(
            payment,
            self._chance.choice(OUTCOMES),
            event_id=f"{payment.id}:{self._chance.randrange(20)}",  # mostly repeats
            refunded_minor=self._chance.randrange(payment.asked_minor),
            refund_reference=uuid4().hex,
        )
        settle(event)

    def refuse(self, payment: PaymentRow) -> None:
        with transaction() as session:
            settlement.close(session, payment.id, "canceled")
            payments.note_trouble(session, payment.id, "refused")

    def attach(self, payment: PaymentRow) -> None:
        with transaction() as session:
            payments.attach(
                session,
                payment.id,
                reference=f"cs_{payment.id}",
                url="https://pay.example/1",
                asked_minor=payment.asked_minor,
                asked_currency="RUB",
                expires_at=None,
            )

    def withdraw(self, user_id: UUID) -> None:
        with transaction() as session:
            grants.withdraw(session, user_id, Decimal(1), key=uuid4().hex, reason="-")

    def order_and_cancel(self, user_id: UUID) -> None:
        job_id = waits_for_money(user_id, self.picture)
        if self._chance.random() < 0.5:
            with transaction() as session:
                jobs.cancel(session, job_id)

    def open_another(self, user_id: UUID) -> None:
        self.payments.append(begun_payment(user_id))

    def claim_due(self) -> None:
        with transaction() as session:
            payments.claim_due(session, now=now() + payments.FIRST_CHECK)


def test_nobody_waits_in_a_circle(chance: Random) -> None:
    crowd, until = Crowd(chance), time.monotonic() + SECONDS
    with ThreadPoolExecutor(THREADS) as pool:
        for acting in [pool.submit(crowd.act, until) for _ in range(THREADS)]:
            acting.result()
    assert crowd.deadlocks == 0
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def friends() -> tuple[list[Any], list[Any]]:
    """People, and whom each of them invited."""
    inviters = [make_user() for _ in range(THREADS - 1)]
    return inviters, [make_user(ref_code=inviter.ref_code) for inviter in inviters]


def nobody_stops(act: Callable[[], object], invited: list[Any]) -> bool:
    """`act` and the first payments of the invited, all at once, end without a deadlock.

    Such a payment locks the customer and then the inviter.
    """
    sold = [notice(begun_payment(user.id), "succeeded") for user in invited]
    with ThreadPoolExecutor(THREADS) as pool:
        return not any(pool.map(deadlocked, [act, *(partial(settle, each) for each in sold)]))


def test_unpaid_orders_are_closed_while_friends_of_their_owners_pay() -> None:
    picture = make_image().id
    for _ in range(4):
        inviters, invited = friends()
        for user in inviters + invited:
            waits_for_money(user.id, picture)
        assert nobody_stops(duties._expire_waiting_jobs, invited)


def test_a_lottery_is_drawn_while_friends_of_its_winners_pay() -> None:
    for day in range(1, 5):
        with transaction() as session:
            lottery = lotteries.create(
                session,
                title="Осень",
                description="Розыгрыш",
                start_date=now() - timedelta(hours=1),
                end_date=now() + timedelta(hours=1),
                prizes=[Prize("Приз", 2 * THREADS, Decimal(5))],
            )
        inviters, invited = friends()
        for user in inviters + invited:
            with transaction() as session:
                lotteries.submit_social(session, user.id, ["https://vk.com/1"], now=now())
        past = now() - timedelta(days=day)
        with transaction() as session:
            session.execute(
                update(Lottery)
                .where(Lottery.id == lottery.id)
                .values(start_date=past - timedelta(hours=2), end_date=past)
            )
        assert nobody_stops(duties._draw_lotteries, invited)
        with transaction() as session:
            won = lotteries.winners_of(session, [lottery.id])[lottery.id]
        assert len(won) == 2 * (THREADS - 1)
