"""Each effect that a customer should hear of writes one event, in its own transaction."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from db import transaction
from db.types import now
from services import draws, events, jobs, lotteries, queue
from services.events import News
from services.lotteries import Prize
from spec import CONTRACT
from tests import job_steps
from tests.factories import make_job, make_user
from tests.settlements import notice, open_payment_of, settle
from workflows import feed as feeds

pytestmark = pytest.mark.usefixtures("no_rows")


def feed(user_id: UUID | None = None) -> list[dict[str, Any]]:
    """All events, or those about one user, as they are read."""
    page = feeds.read(0, limit=100)
    bodies = [events.as_json(each) for each in page.events]
    if user_id is None:
        return bodies
    return [each for each in bodies if each.get("user", {}).get("id") == str(user_id)]


def kinds(user_id: UUID) -> list[str]:
    return [each["type"] for each in feed(user_id)]


def test_an_order_from_shortage_to_video_is_told_in_order() -> None:
    user = make_user()
    job = make_job(user.id, "animate")
    payment = open_payment_of(user)
    settle(notice(payment, "succeeded"))
    claim = job_steps.claim_job(job.id)
    job_steps.finish_job(claim)

    bodies = feed(user.id)
    assert [each["type"] for each in bodies] == [
        "payment.succeeded",
        "job.queued",
        "job.started",
        "job.done",
    ]
    assert [each["user"]["balanceTokens"] for each in bodies] == [20, 10, 10, 10]
    assert {each["user"]["telegramId"] for each in bodies} == {user.telegram_id}
    assert [each["sequence"] for each in bodies] == sorted(each["sequence"] for each in bodies)
    paid, queued, started, done = bodies
    assert paid["payment"]["id"] == str(payment.id) and paid["payment"]["tokens"] == 20
    assert {each["job"]["id"] for each in (queued, started, done)} == {str(job.id)}
    assert done["results"][0]["bytes"] == len(job_steps.VIDEO)
    assert done["text"] == f"Заказ №{job.number} готов!"


def test_a_second_attempt_is_not_told_and_the_end_is_told_once() -> None:
    user = make_user(10)
    job = make_job(user.id, "animate")
    fail(job.id, retryable=True)
    fail(job.id, retryable=False)

    assert kinds(user.id) == ["bonus.granted", "job.started", "job.failed"]
    failed = feed(user.id)[-1]
    assert failed["job"]["reason"] == "failed" and failed["job"]["error"]["code"] == "tried"
    assert failed["user"]["balanceTokens"] == 10


def test_a_cancelled_order_is_told_before_the_one_that_its_tokens_start() -> None:
    user = make_user(10)
    first, second = make_job(user.id, "animate"), make_job(user.id, "animate")
    with transaction() as session:
        jobs.cancel(session, first.id)
        jobs.cancel(session, first.id)

    bodies = feed(user.id)[1:]
    assert [(each["type"], each["job"]["id"]) for each in bodies] == [
        ("job.failed", str(first.id)),
        ("job.queued", str(second.id)),
    ]
    assert [each["user"]["balanceTokens"] for each in bodies] == [10, 0]


def test_an_album_tells_what_became_of_each_photo() -> None:
    user = make_user(100)
    job = make_job(user.id, photos=2)
    claim = job_steps.claim_job(job.id)
    with transaction() as session:
        queue.fail(session, claim, code="tried", message="Нет.", retryable=False)
    job_steps.finish_job(claim.next_photo())

    done = feed(user.id)[-1]
    assert done["type"] == "job.done"
    assert done["results"][0] == {"error": {"code": "tried", "message": "Нет."}}
    assert done["results"][1]["type"] == "video"
    assert "1 из 2" in done["text"]
    assert done["user"]["balanceTokens"] == 95


def test_what_is_rolled_back_is_not_told() -> None:
    user = make_user()
    with pytest.raises(ZeroDivisionError), transaction() as session:
        events.tell(session, user.id, events.bonus_granted("grant", Decimal(1)))
        raise ZeroDivisionError
    with transaction() as session:
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            events.tell(session, user.id, events.bonus_granted("grant", Decimal(2)))
            raise ZeroDivisionError
        events.tell(session, user.id, events.bonus_granted("grant", Decimal(3)))

    assert [each["bonus"]["tokens"] for each in feed()] == [3]


def test_news_that_the_contract_does_not_describe_is_a_bug() -> None:
    user = make_user()
    faulty = [
        News("bonus.granted", {"text": "Бонус", "bonus": {"reason": "luck", "tokens": 1}}),
        News("bonus.granted", {"text": "Бонус"}),
        News("bonus.granted", {"bonus": {"reason": "grant", "tokens": 1}}),
    ]
    for news in faulty:
        with pytest.raises(ValueError, match="is not what the contract"), transaction() as session:
            events.tell(session, user.id, news)


def test_money_that_comes_does_not_come_and_goes_back_is_told() -> None:
    paid, unpaid = make_user(), make_user()
    payment = open_payment_of(paid)
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "succeeded"))
    settle(notice(payment, "refunded", refunded_minor=payment.asked_minor // 2))
    settle(notice(payment, "refunded"))
    settle(notice(open_payment_of(unpaid), "canceled"))

    came, half, rest = feed(paid.id)
    assert came["type"] == "payment.succeeded"
    assert (half["payment"]["status"], half["payment"]["refundedTokens"]) == ("partly_refunded", 10)
    assert (rest["payment"]["status"], rest["payment"]["refundedRub"]) == ("refunded", 100)
    assert [each["user"]["balanceTokens"] for each in (came, half, rest)] == [20, 10, 0]
    (failed,) = feed(unpaid.id)
    assert (failed["type"], failed["payment"]["status"]) == ("payment.failed", "canceled")


def test_a_draw_is_told_to_all_and_a_prize_to_its_winner() -> None:
    user = make_user()
    with transaction() as session:
        lottery = lotteries.create(
            session,
            title="Осень",
            description="",
            start_date=now() - timedelta(days=1),
            end_date=now() + timedelta(days=1),
            prizes=[Prize("50 токенов", 1, Decimal(50))],
        )
        lotteries.submit_social(session, user.id, ["https://vk.com/wall-1_1"], now=now())
    with transaction() as session:
        draws.draw_due(session, now=lottery.end_date + timedelta(seconds=1))

    drawn, won = feed()
    assert (drawn["type"], drawn["lottery"]["winners"]) == ("lottery.drawn", 1)
    assert "user" not in drawn
    assert (won["type"], won["user"]["balanceTokens"]) == ("lottery.won", 50)
    assert "50 токенов" in won["text"]


def test_the_types_are_those_that_the_contract_explains() -> None:
    explained = CONTRACT["components"]["schemas"]["Event"]["description"]
    rows = re.findall(r"^\| `([a-z.]+)` \| [^|]+ \| ([a-z, ]+) \|$", explained, re.MULTILINE)
    assert {kind: tuple(parts.split(", ")) for kind, parts in rows} == events.TYPES


def fail(job_id: UUID, *, retryable: bool) -> None:
    claim = job_steps.claim_job(job_id)
    with transaction() as session:
        queue.fail(session, claim, code="tried", message="Не вышло.", retryable=retryable)
