"""Everything that moves money at once, of people who invited each other: nobody waits in a circle.

PostgreSQL ends a circle of waiting transactions by failing one of them; here none may fail so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

from psycopg2 import errorcodes

import duties
from db import snapshot, transaction
from db.models import Payment
from db.types import now
from errors import ApiError
from providers.payments import Notice, Outcome
from services import grants, jobs, ledger, payments, settlement
from tests.factories import make_image, make_job, make_user

SECONDS, THREADS = 3.0, 8
OUTCOMES = [*Outcome]


def deadlocked(act: Callable[[], object]) -> bool:
    """Whether it failed so; what is refused by a rule, or waited for too long, is fine."""
    try:
        act()
    except ledger.NotEnoughTokens:
        return False
    except ApiError as error:
        cause = getattr(error.__cause__, "orig", None)
        return getattr(cause, "pgcode", "") == errorcodes.DEADLOCK_DETECTED
    return False


def opened(user_id: UUID) -> Payment:
    """A payment of 200 rubles."""
    with transaction() as session:
        return payments.open(
            session, user_id, amount_rub=Decimal(200), provider="stripe", plan=None, now=now()
        )


def told(payment: Payment, outcome: Outcome, event_id: str) -> Notice:
    """What Stripe says about it."""
    return Notice(
        provider="stripe",
        event_id=event_id,
        kind=outcome,
        outcome=outcome,
        payment_id=payment.id,
        amount_minor=payment.asked_minor,
        currency="RUB",
        refunded_minor=random.randrange(payment.asked_minor),
        refund_reference=uuid4().hex,
    )


def settle(notice: Notice) -> None:
    with transaction() as session:
        settlement.settle(session, notice)


def waits_for_money(user_id: UUID, picture: UUID) -> UUID:
    """An order that nobody has paid for in time."""
    job = make_job(user_id, data_id=picture)
    with transaction() as session:
        jobs.get(session, job.id).created_at = now().replace(year=2000)
    return job.id


class Crowd:
    """A chain of invitations, each of its people with payments and orders."""

    def __init__(self) -> None:
        self.picture = make_image().id
        self.users = [make_user()]
        for _ in range(3):
            self.users.append(make_user(ref_code=self.users[-1].ref_code))
        self.payments = [opened(user.id) for user in self.users for _ in range(3)]
        self.deadlocks = 0

    def act(self, until: float) -> None:
        """Do this and that until then."""
        while time.monotonic() < until:
            self.deadlocks += deadlocked(random.choice(self.acts()))

    def acts(self) -> list[Callable[[], object]]:
        payment, user = random.choice(self.payments), random.choice(self.users)
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

    def settle(self, payment: Payment) -> None:
        event_id = f"{payment.id}:{random.randrange(20)}"  # mostly repeats
        settle(told(payment, random.choice(OUTCOMES), event_id))

    def refuse(self, payment: Payment) -> None:
        with transaction() as session:
            settlement.give_up(session, payment.id)
            payments.note_trouble(session, payment.id, "refused")

    def attach(self, payment: Payment) -> None:
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
        if random.random() < 0.5:
            with transaction() as session:
                jobs.cancel(session, job_id)

    def open_another(self, user_id: UUID) -> None:
        self.payments.append(opened(user_id))

    def claim_due(self) -> None:
        with transaction() as session:
            payments.claim_due(session, now=now() + payments.FIRST_CHECK)


def test_nobody_waits_in_a_circle() -> None:
    crowd, until = Crowd(), time.monotonic() + SECONDS
    with ThreadPoolExecutor(THREADS) as pool:
        for acting in [pool.submit(crowd.act, until) for _ in range(THREADS)]:
            acting.result()
    assert crowd.deadlocks == 0
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def test_orders_are_closed_while_friends_of_their_owners_pay() -> None:
    """A payment locks the customer and then the inviter: closing must never hold two users."""
    picture = make_image().id
    for _ in range(4):
        inviters = [make_user() for _ in range(THREADS - 1)]
        invited = [make_user(ref_code=inviter.ref_code) for inviter in inviters]
        sold = [opened(user.id) for user in invited]
        for user in inviters + invited:
            waits_for_money(user.id, picture)
        paying = [
            partial(settle, told(payment, Outcome.SUCCEEDED, payment.id.hex)) for payment in sold
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            ends = list(pool.map(deadlocked, [*paying, duties._expire_waiting_jobs]))
        assert not any(ends)
