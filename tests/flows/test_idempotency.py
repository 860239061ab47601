"""Idempotency-Key over HTTP: one effect and one answer, through any server and after any delay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from db import transaction
from db.models import IdempotencyKey, Job
from tests.factories import make_image, make_user
from tests.live import Bot, Server, done, order, refused, unchanged
from tests.threads import at_once

PRICE = 5
PRESIGN = {"type": "image", "fileName": "a.jpg", "contentType": "image/jpeg"}


def registration() -> dict[str, Any]:
    return {"telegramId": uuid4().hex}


def job() -> dict[str, Any]:
    return order(make_user(100).id, make_image().id)


# path -> a request, and the status of its success
OPERATIONS: dict[str, tuple[Callable[[], dict[str, Any]], int]] = {
    "/users/register-or-login": (registration, 200),
    "/data/presign": (lambda: dict(PRESIGN), 200),
    "/jobs": (job, 201),
}


def is_replay(answer: Any) -> bool:
    return bool(answer.headers.get("Idempotency-Replayed") == "true")


def jobs_of(user_id: Any) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).where(Job.user_id == user_id)) or 0


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_repeat_hears_the_first_answer_and_does_nothing(
    bot: Bot, server: Server, path: str
) -> None:
    make_request, status = OPERATIONS[path]
    request, key = make_request(), uuid4().hex
    first = bot.post(path, request, key=key)
    done(first, status)
    assert not is_replay(first)
    reordered = dict(reversed(request.items()))
    with unchanged():
        for answer in (
            bot.post(path, request, key=key),
            bot.post(path, reordered, key=f'"{key}"'),  # quoted, as the draft standard wants it
            bot.post(f"{server.url}/api/v1{path}", request, key=key),
        ):
            assert (answer.status_code, answer.json()) == (status, first.json())
            assert is_replay(answer)


def test_the_same_order_in_another_spelling_is_the_same_request(bot: Bot) -> None:
    user, picture, key = make_user(100), make_image(), uuid4().hex
    picture_of = {"type": "image", "dataId": str(picture.id), "meta": {"angle": 90, "zoom": 1.5}}
    wish = order(user.id, picture.id) | {"input": [picture_of]}
    first = done(bot.post("/jobs", wish, key=key), 201)
    capitals = str(picture.id).upper()
    for user_id, data_id, angle, zoom in (
        (str(user.id).upper(), capitals, "90", "1.5"),
        (str(user.id), str(picture.id), "90.0", "15e-1"),
        (str(user.id), capitals, "9e1", "1.50"),
    ):
        item = f'{{"meta":{{"zoom":{zoom},"angle":{angle}}},"dataId":"{data_id}","type":"image"}}'
        raw = f'{{"input": [{item}], "userId": "{user_id}", "serviceType": "\\u0072estore"}}'
        with unchanged():
            answer = bot.post_raw("/jobs", raw, key=key)
            assert done(answer, 201) == first and is_replay(answer)
    with unchanged():
        other = wish | {"input": [picture_of | {"meta": {"angle": 90.5, "zoom": 1.5}}]}
        refused(bot.post("/jobs", other, key=key), "idempotency_key_reused")


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_key_stands_for_one_request(bot: Bot, path: str) -> None:
    make_request, status = OPERATIONS[path]
    request, key = make_request(), uuid4().hex
    done(bot.post(path, request, key=key), status)
    other = make_request() | ({"fileName": "b.jpg"} if "fileName" in request else {})
    with unchanged():
        refused(bot.post(path, other, key=key), "idempotency_key_reused")
    done(bot.post(path, other, key=uuid4().hex), status)


def test_a_key_of_one_operation_is_free_in_another(bot: Bot) -> None:
    key = uuid4().hex
    for path, (make_request, status) in OPERATIONS.items():
        answer = bot.post(path, make_request(), key=key)
        done(answer, status)
        assert not is_replay(answer)


def test_the_answer_is_the_first_even_when_the_order_has_moved_on(bot: Bot) -> None:
    wish, key = job(), uuid4().hex
    first = done(bot.post("/jobs", wish, key=key), 201)
    done(bot.post(f"/jobs/{first['id']}/cancel"), 200)
    with unchanged():
        assert done(bot.post("/jobs", wish, key=key), 201) == first
    assert done(bot.get(f"/jobs/{first['id']}"), 200)["status"] == "failed"


def test_a_refusal_of_the_rules_is_an_answer_too(bot: Bot) -> None:
    user = make_user(PRICE)
    form = done(bot.post("/data/presign", PRESIGN), 200)
    wish, key = order(user.id, form["dataId"]), uuid4().hex
    first = bot.post("/jobs", wish, key=key)
    refused(first, "data_not_confirmed")
    with unchanged():
        again = bot.post("/jobs", wish, key=key)
        assert refused(again, "data_not_confirmed") == {"dataId": form["dataId"]}
        assert is_replay(again) and not is_replay(first)
    assert (jobs_of(user.id), bot.balance(user.id)) == (0, PRICE)


def test_a_malformed_request_does_not_use_up_its_key(bot: Bot) -> None:
    wish, key = job(), uuid4().hex
    with unchanged():
        refused(bot.post("/jobs", wish | {"serviceType": "colorize"}, key=key), "bad_request")
        for wrong in ('""', "a b", "ключ".encode().decode("latin-1"), "k" * 256):
            assert "Idempotency-Key" in refused(bot.post("/jobs", wish, key=wrong), "bad_request")
    done(bot.post("/jobs", wish, key=key), 201)
    done(bot.post("/jobs", job(), key="k" * 200 + uuid4().hex), 201)


def test_without_a_key_every_order_counts(bot: Bot) -> None:
    wish = job()
    answers = [bot.post("/jobs", wish) for _ in range(2)]
    assert len({done(answer, 201)["id"] for answer in answers}) == 2
    assert not any(map(is_replay, answers))


@pytest.mark.parametrize("attempt", range(3))
def test_twins_in_two_server_processes_are_one_order(
    bot: Bot, other_bot: Bot, attempt: int
) -> None:
    user, key = make_user(100), uuid4().hex
    done(bot.patch(f"/users/{user.id}/consent", {"consentPd": True}), 200)
    wish, doors = order(user.id, make_image().id), cycle((bot, other_bot))
    answers = at_once(lambda: next(doors).post("/jobs", wish, key=key), 10)
    assert len({done(answer, 201)["id"] for answer in answers}) == 1
    assert sorted(map(is_replay, answers)) == [False] + [True] * 9
    assert (jobs_of(user.id), bot.balance(user.id)) == (1, 100 - PRICE)


def test_one_key_for_many_visitors_at_once_serves_the_first(bot: Bot, other_bot: Bot) -> None:
    key, doors = uuid4().hex, cycle((bot, other_bot))
    answers = at_once(
        lambda: next(doors).post("/users/register-or-login", registration(), key=key), 8
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 7


def test_a_twin_of_a_request_that_hangs_is_told_to_come_back(bot: Bot) -> None:
    wish, key = job(), uuid4().hex
    with pytest.raises(ZeroDivisionError), transaction() as session:
        session.add(IdempotencyKey(operation="jobsCreate", key=key, fingerprint="its twin's"))
        session.flush()
        answer = bot.post("/jobs", wish, key=key)
        raise ZeroDivisionError  # the twin fails, and so leaves nothing
    refused(answer, "idempotency_in_progress")
    assert answer.headers["Retry-After"] == "1"
    done(bot.post("/jobs", wish, key=key), 201)
