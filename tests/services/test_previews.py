"""What a preview tells is what then happens."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from db import reading, transaction
from services import grants, payments, previews
from tests.factories import balance, make_job, make_user
from tests.settlements import notice, open_payment_of, settle


def test_a_grant_tells_which_waiting_orders_it_starts():
    user = make_user()
    prices = [make_job(user.id, each).price_tokens for each in ("animate", "restore", "restore")]
    tokens = prices[1] + 1  # too few for the first, enough for one of the others
    with reading() as reader:
        effect = previews.grant(reader, user.id, tokens)
    with transaction() as session:
        grants.grant(session, user.id, tokens, key=uuid4().hex, reason="test")
    assert effect.balance_after == balance(user.id)
    assert (effect.balance_before, effect.tokens, effect.starts) == (0, tokens, 1)


def test_a_withdrawal_tells_what_the_balance_does_not_have():
    user = make_user(10)
    with reading() as reader:
        assert previews.withdraw(reader, user.id, Decimal(4))[:3] == (-4, 10, 6)
        assert previews.withdraw(reader, user.id, Decimal(14)).lacking == 4


@pytest.mark.parametrize("rub", ["200", "66.67", "0.01"])
@pytest.mark.parametrize("spent", [0, 15])
def test_a_refund_tells_the_tokens_that_are_then_taken_back(rub, spent):
    user = make_user()
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=3333, refund_reference="first"))
    if spent:
        with transaction() as session:
            grants.withdraw(session, user.id, Decimal(spent), key="spent", reason="test")
    with reading() as reader:
        paid = payments.get(reader, payment.id)
        left = paid.amount_rub - paid.refunded_rub
        amount = Decimal(rub)
        if amount > left:
            with pytest.raises(ValueError, match="are left to return"):
                previews.refund(reader, paid, amount)
            return
        effect = previews.refund(reader, paid, amount)
    total = 3333 + int(amount * 100)
    settle(notice(payment, "refunded", refunded_minor=total, refund_reference="second"))
    with reading() as reader:
        after = payments.get(reader, payment.id)
    assert effect.balance_after == balance(user.id)
    assert effect.tokens == paid.refunded_tokens - after.refunded_tokens
    assert effect.lacking == after.shortfall_tokens - paid.shortfall_tokens


def test_nothing_is_refunded_of_what_was_never_paid():
    payment = open_payment_of(make_user())
    with reading() as reader, pytest.raises(ValueError, match="nothing has been paid"):
        previews.refund(reader, payment, payment.amount_rub)
