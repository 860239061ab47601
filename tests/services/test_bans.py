"""A banned user orders and pays nothing new; what was begun before goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from db import reading, transaction
from db.types import now
from errors import ApiError
from services import jobs, people, users
from tests.factories import balance, make_job, make_user
from tests.payment_events import buyer_with_payment
from tests.settlements import notice, open_payment_of, settle


def banned(user_id, reason="fraud"):
    with transaction() as session:
        return people.ban(session, user_id, reason=reason, now=now())


def test_a_banned_user_neither_orders_nor_pays_until_the_ban_is_lifted():
    user = make_user(100)
    banned(user.id)
    for attempt in (lambda: make_job(user.id), lambda: open_payment_of(user)):
        with pytest.raises(ApiError, match="user_banned"):
            attempt()
    with transaction() as session:
        assert people.unban(session, user.id).ban_reason is None
    make_job(user.id)
    open_payment_of(user)


def test_a_repeat_changes_the_reason_not_the_time():
    user = make_user()
    first, second = banned(user.id), banned(user.id, "fraud, proved")
    assert (second.banned_at, second.ban_reason) == (first.banned_at, "fraud, proved")


def test_money_on_its_way_is_credited_and_orders_that_waited_for_it_start():
    user_id, payment = buyer_with_payment("stripe")
    waiting = make_job(user_id)
    banned(user_id)
    assert settle(notice(payment, "succeeded")).state == "applied"
    with reading() as reader:
        assert jobs.get(reader, waiting.id).status == "queued"
        assert users.get(reader, user_id).balance_tokens == payment.tokens - waiting.price_tokens


def test_nobody_is_banned_who_does_not_exist():
    with pytest.raises(ApiError, match="user_not_found"):
        banned(make_job(make_user().id).id)
    assert balance(make_user(Decimal(5)).id) == 5
