from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import update

from db import transaction
from db.models import IdempotencyKey
from db.types import now
from errors import ApiError
from services import grants, idempotency, jobs
from services.idempotency import Answer
from tests.factories import balance, make_image, make_user
from tests.threads import at_once


def once(key, request, effect, operation="jobsCreate"):
    with transaction() as session:
        return idempotency.once(session, operation, key, request, lambda: effect(session))


def order(user, picture):
    def effect(session):
        job = jobs.create(
            session,
            user.id,
            service_type="restore",
            input=[{"type": "image", "dataId": str(picture.id)}],
        )
        return Answer({"id": str(job.id)}, 201)

    return effect


def test_the_same_key_at_once_makes_one_order_and_one_charge():
    user, picture, key = make_user(100), make_image(), uuid4().hex
    answers = at_once(lambda: once(key, {"a": 1}, order(user, picture)), 8)
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7
    assert balance(user.id) == 95


def test_a_key_used_for_another_request_is_refused():
    key = uuid4().hex
    once(key, {"a": 1}, lambda session: Answer({}, 200))
    with pytest.raises(ApiError, match="idempotency_key_reused"):
        once(key, {"a": 2}, lambda session: Answer({}, 200))


def test_the_order_of_properties_does_not_matter():
    key = uuid4().hex
    once(key, {"a": 1, "b": 2}, lambda session: Answer({"n": 1}, 200))
    assert once(key, {"b": 2, "a": 1}, lambda session: Answer({"n": 2}, 200)).body == {"n": 1}


def test_the_same_key_of_another_operation_is_another_key():
    key = uuid4().hex
    once(key, {}, lambda session: Answer({"n": 1}, 200))
    other = once(key, {}, lambda session: Answer({"n": 2}, 200), operation="dataGetPresign")
    assert other.body == {"n": 2}


def refuse(code):
    def effect(session):
        raise ApiError(code)

    return effect


def test_a_refusal_of_the_rules_is_replayed_and_leaves_nothing_else():
    user, key = make_user(7), uuid4().hex

    def effect(session):
        grants.withdraw(session, user.id, Decimal(7), key="k", reason="r")
        raise ApiError("data_not_confirmed")

    first = once(key, {}, effect)
    again = once(key, {}, lambda session: Answer({"ok": True}, 201))
    assert (first.status, first.replayed) == (409, False)
    assert (again.status, again.body["code"], again.replayed) == (409, "data_not_confirmed", True)
    assert balance(user.id) == 7


@pytest.mark.parametrize("code", ["bad_request", "service_unavailable", "internal_error"])
def test_trouble_is_not_remembered(code):
    key = uuid4().hex
    with pytest.raises(ApiError):
        once(key, {}, refuse(code))
    assert once(key, {}, lambda session: Answer({}, 201)).status == 201


def test_without_a_key_every_request_counts():
    assert [once(None, {}, lambda s: Answer({}, 201)).replayed for _ in range(2)] == [False, False]


def age(key, hours):
    with transaction() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.key == key)
            .values(created_at=now() - timedelta(hours=hours))
        )


def test_an_expired_key_is_new_again_and_is_swept():
    key = uuid4().hex
    once(key, {"a": 1}, lambda session: Answer({"n": 1}, 200))
    age(key, 25)
    assert once(key, {"a": 2}, lambda session: Answer({"n": 2}, 200)).body == {"n": 2}
    age(key, 25)
    with transaction() as session:
        assert idempotency.sweep(session, now()) >= 1
