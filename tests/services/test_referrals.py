"""The inviter's reward: held once as long as any payment of the friend stands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

import settings
from db import snapshot, transaction
from db.models import Payment, Referral, Transaction
from db.rows import UserRow
from services import grants, ledger, referrals
from tests.factories import balance, make_user
from tests.settlements import books_are_whole, notice, open_payment_of, settle
from tests.threads import at_once

REWARD = 5
WHOLE = 20000  # kopecks of a payment


class Family:
    """An inviter, a friend of theirs, and the friend's payments."""

    def __init__(self, payments: int = 3) -> None:
        self.inviter = make_user()
        self.friend = make_user(ref_code=self.inviter.ref_code)
        self.payments = [open_payment_of(self.friend, provider="stripe") for _ in range(payments)]

    def tell(self, number: int, outcome: str) -> str:
        """The provider tells something about a payment; what became of that."""
        whole = {"refunded_minor": 0 if outcome == "refund_failed" else WHOLE}
        event = notice(
            self.payments[number],
            outcome,
            refund_reference=f"re-{number}",
            **(whole if outcome.startswith("refund") else {}),
        )
        return settle(event).state

    def standing(self) -> int:
        """How many payments have been paid and not refunded."""
        with transaction() as session:
            return (
                session.scalar(
                    select(func.count()).where(
                        Payment.user_id == self.friend.id,
                        Payment.status.in_(("succeeded", "partly_refunded", "disputed")),
                    )
                )
                or 0
            )

    def held(self) -> Decimal:
        """What the inviter has of the reward: given less taken back."""
        with transaction() as session:
            return referrals.stats(session, self.inviter.id).ref_earned

    def row(self) -> Referral:
        with transaction() as session:
            return session.query(Referral).filter_by(invitee_id=self.friend.id).one()


EVENTS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(
        [
            "succeeded",
            "succeeded",
            "refunded",
            "refunded",
            "refund_failed",
            "disputed",
            "dispute_won",
            "dispute_lost",
        ]
    ),
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, min_size=2, max_size=12))
def test_the_reward_is_held_exactly_while_a_payment_stands(
    database: str, events: list[tuple[int, str]]
) -> None:
    family = Family()
    for number, outcome in events:
        family.tell(number, outcome)
        expected = REWARD if family.standing() else 0
        assert (family.held(), balance(family.inviter.id)) == (expected, expected)
        assert family.row().reward_given == bool(expected)
    assert books_are_whole()


@hypothesis_settings(max_examples=40, deadline=None)
@given(events=st.lists(EVENTS, min_size=2, max_size=12), spent=st.integers(1, 11))
def test_a_reward_that_is_spent_meanwhile_is_never_held_twice(
    database: str, events: list[tuple[int, str]], spent: int
) -> None:
    family = Family()
    for turn, (number, outcome) in enumerate(events):
        family.tell(number, outcome)
        assert 0 <= family.held() <= REWARD
        assert not family.standing() or family.held() == REWARD
        left = balance(family.inviter.id)
        if turn == spent and left:
            with transaction() as session:
                grants.withdraw(
                    session, family.inviter.id, left, key=uuid4().hex, reason="spent by test"
                )
    assert books_are_whole()


def test_of_two_payments_it_does_not_matter_which_is_refunded() -> None:
    for first, second in permutations(range(2)):
        family = Family(2)
        family.tell(0, "succeeded")
        family.tell(1, "succeeded")
        family.tell(first, "refunded")
        assert balance(family.inviter.id) == REWARD
        family.tell(second, "refunded")
        assert balance(family.inviter.id) == 0


def test_a_refund_and_another_payment_at_once_leave_one_reward() -> None:
    for _ in range(5):
        family = Family(2)
        family.tell(0, "succeeded")
        acts = [(0, "refunded"), (1, "succeeded")]
        assert at_once(lambda acts=acts, family=family: family.tell(*acts.pop()), 2) == (
            ["applied"] * 2
        )
        assert balance(family.inviter.id) == REWARD
    assert books_are_whole()


def test_what_is_refunded_too_late_takes_nothing_back() -> None:
    family = Family(2)
    family.tell(0, "succeeded")
    family.tell(1, "succeeded")
    with transaction() as session:
        long_ago = func.now() - func.make_interval(0, 0, 0, 31)
        paid = update(Payment).where(Payment.id == family.payments[0].id)
        session.execute(paid.values(paid_at=long_ago))
    family.tell(0, "refunded")
    family.tell(1, "refunded")
    assert balance(family.inviter.id) == REWARD


@pytest.fixture
def _percent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The inviter gets 5 tokens and a tenth of what the friend has bought."""
    monkeypatch.setenv("REFERRAL_BONUS_PERCENT", "10")
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


def test_a_percentage_is_that_of_a_payment_that_stands(_percent: None) -> None:
    inviter = make_user()
    friend = make_user(ref_code=inviter.ref_code)
    large, small = open_payment_of(friend, Decimal(5000)), open_payment_of(friend, Decimal(100))
    settle(notice(large, "succeeded"))
    assert balance(inviter.id) == 5 + 50
    settle(notice(small, "succeeded"))
    assert balance(inviter.id) == 5 + 50
    settle(notice(large, "refunded", refunded_minor=500_000))
    assert balance(inviter.id) == 5 + 1
    assert entries_of(inviter) == [("referral_returned", -49), ("referral", 55)]
    settle(notice(small, "refunded", refunded_minor=10_000))
    assert balance(inviter.id) == 0
    assert books_are_whole()


def entries_of(user: UserRow) -> list[tuple[str, Decimal]]:
    with snapshot() as session:
        page = ledger.history(session, user.id, limit=50, cursor=None)
    return [(row.meta["reason"], row.tokens_delta) for row in page.rows]


def test_a_reward_taken_back_by_an_earlier_version_can_be_earned_again() -> None:
    family = Family(2)
    family.tell(0, "succeeded")
    referral_id: UUID = family.row().id
    with transaction() as session:
        ledger.lock(session, family.inviter.id)
        ledger.post(
            session,
            family.inviter.id,
            Decimal(-REWARD),
            type="promo",
            bonus_key=f"referral:{family.friend.id}:returned",
            meta={"reason": "referral_returned"},
        )
        returned = {"reward_given": False, "returned_at": func.now()}
        session.execute(update(Referral).where(Referral.id == referral_id).values(**returned))
        paid = update(Payment).where(Payment.id == family.payments[0].id)
        session.execute(paid.values(status="refunded"))
    family.tell(1, "succeeded")
    assert (family.held(), balance(family.inviter.id)) == (REWARD, REWARD)
    family.tell(1, "refunded")
    assert family.held() == 0
    with snapshot() as session:
        keys = session.scalars(
            select(Transaction.bonus_key).where(Transaction.user_id == family.inviter.id)
        ).all()
    assert len(set(keys)) == 4
