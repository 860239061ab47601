"""Tag Jobs: ordered, paid by a reserve, watched, cancelled; workers are simulated here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import update

from db import snapshot, transaction
from db.models import GenerationModel
from services import ledger, queue
from tests.factories import make_image, make_user
from tests.job_steps import VIDEO, claim_job, finish_job
from tests.live import Bot, done, order, refused, unchanged
from tests.threads import at_once

ANIMATE, RESTORE = 10, 5  # prices in tokens


@pytest.fixture(autouse=True)
def _whole_books() -> Iterator[None]:
    """After each test the books of all users must add up."""
    yield
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def test_a_paid_order_is_made_and_its_result_handed_out(bot: Bot) -> None:
    user, picture = make_user(ANIMATE), make_image()
    ordered = bot.order(user.id, picture.id, "animate")
    assert (ordered["status"], ordered["progress"], ordered["output"]) == ("queued", 0, [])
    assert (ordered["tokensReserved"], ordered["tokensConsumed"]) == (ANIMATE, 0)
    assert (ordered["priceRub"], ordered["userId"]) == (100, str(user.id))
    assert ordered["input"] == [{"type": "image", "dataId": str(picture.id)}]
    assert ordered["orderId"].isdigit() and "resultUrl" not in ordered
    assert bot.balance(user.id) == 0
    path = f"/jobs/{ordered['id']}"
    assert done(bot.get(path), 200).items() >= ordered.items()

    claim = claim_job(ordered["id"])
    with transaction() as session:
        assert queue.renew(session, claim, progress=40)
    running = done(bot.get(path), 200)
    assert (running["status"], running["progress"]) == ("processing", 40)

    finish_job(claim)
    ready = done(bot.get(path), 200)
    assert (ready["status"], ready["progress"]) == ("done", 100)
    assert (ready["tokensReserved"], ready["tokensConsumed"]) == (0, ANIMATE)
    (output,) = ready["output"]
    assert output["type"] == "video"
    assert requests.get(ready["resultUrl"], timeout=30).content == VIDEO
    (listed,) = done(bot.get("/jobs", userId=user.id), 200)
    assert (listed["id"], listed["status"]) == (ready["id"], "done")
    result = done(bot.post(f"/data/{output['dataId']}/confirm"), 200)
    assert requests.get(result["publicS3Url"], timeout=30).content == VIDEO
    assert bot.balance(user.id) == 0


def test_an_order_that_fails_gives_the_tokens_back_and_says_why(bot: Bot) -> None:
    user = make_user(RESTORE)
    job = bot.order(user.id, make_image().id)
    claim, words = claim_job(job["id"]), "Файл повреждён."
    with transaction() as session:
        queue.fail(session, claim, code="image_truncated", message=words, retryable=False)
    failed = done(bot.get(f"/jobs/{job['id']}"), 200)
    assert (failed["status"], failed["tokensReserved"]) == ("failed", 0)
    assert failed["meta"] == {
        "reason": "failed",
        "error": {"code": "image_truncated", "message": words},
    }
    assert bot.balance(user.id) == RESTORE
    with unchanged():
        refused(bot.post(f"/jobs/{job['id']}/cancel"), "job_not_cancellable")


def test_an_unpaid_order_waits_and_the_oldest_starts_first(bot: Bot) -> None:
    user, picture = make_user(), make_image()
    waiting = [bot.order(user.id, picture.id)["id"] for _ in range(3)]
    for job_id in waiting:
        job = done(bot.get(f"/jobs/{job_id}"), 200)
        assert (job["status"], job["tokensReserved"]) == ("waiting_payment", 0)
    make_user(RESTORE * 2, telegram_id=user.telegram_id)
    states = [done(bot.get(f"/jobs/{job_id}"), 200)["status"] for job_id in waiting]
    assert states == ["queued", "queued", "waiting_payment"]
    assert bot.balance(user.id) == 0


def test_orders_at_once_reserve_what_the_balance_covers_and_no_more(bot: Bot) -> None:
    user, picture = make_user(RESTORE * 3 + 2), make_image()
    answers = at_once(lambda: bot.post("/jobs", order(user.id, picture.id)), 8)
    states = sorted(done(answer, 201)["status"] for answer in answers)
    assert states == ["queued"] * 3 + ["waiting_payment"] * 5
    assert bot.balance(user.id) == 2


def test_a_cancelled_order_gives_its_tokens_back_once(bot: Bot) -> None:
    user, picture = make_user(RESTORE), make_image()
    queued, waiting = bot.order(user.id, picture.id), bot.order(user.id, picture.id)
    answers = at_once(lambda: bot.post(f"/jobs/{queued['id']}/cancel"), 6)
    first, *others = (done(answer, 200) for answer in answers)
    assert (first["status"], first["tokensReserved"]) == ("failed", 0)
    assert first["meta"]["reason"] == first["meta"]["error"]["code"] == "cancelled"
    assert "возвращены" in first["meta"]["error"]["message"]
    assert all(other == first for other in others)
    # The tokens that came back pay for the order that waited.
    assert bot.balance(user.id) == 0
    assert done(bot.get(f"/jobs/{waiting['id']}"), 200)["status"] == "queued"
    done(bot.post(f"/jobs/{waiting['id']}/cancel"), 200)
    assert bot.balance(user.id) == RESTORE

    unpaid = bot.order(make_user().id, picture.id)
    cancelled = done(bot.post(f"/jobs/{unpaid['id']}/cancel"), 200)
    assert cancelled["meta"]["reason"] == "cancelled"
    assert "не списывались" in cancelled["meta"]["error"]["message"]
    with unchanged():
        assert done(bot.post(f"/jobs/{unpaid['id']}/cancel"), 200) == cancelled


def test_an_order_in_work_or_ready_cannot_be_cancelled(bot: Bot) -> None:
    job = bot.order(make_user(RESTORE).id, make_image().id)
    path, claim = f"/jobs/{job['id']}/cancel", claim_job(job["id"])
    with unchanged():
        assert refused(bot.post(path), "job_not_cancellable") == {"status": "processing"}
    finish_job(claim)
    with unchanged():
        assert refused(bot.post(path), "job_not_cancellable") == {"status": "done"}


def test_what_is_not_a_usable_photo_is_refused(bot: Bot) -> None:
    user = make_user(100)
    pending = done(
        bot.post("/data/presign", {"type": "image", "fileName": "a", "contentType": "image/png"}),
        200,
    )["dataId"]
    text = done(bot.upload(b"Just words", "text"), 201)["id"]
    gone = str(make_image(status="deleted").id)
    fine = str(make_image().id)
    with unchanged():
        for data_id, code in (
            (str(uuid4()), "data_not_found"),
            (gone, "data_not_found"),
            (pending, "data_not_confirmed"),
            (text, "data_not_usable"),
        ):
            answer = bot.post("/jobs", order(user.id, data_id))
            assert refused(answer, code) == {"dataId": data_id}
            both = order(user.id, fine)
            both["input"] += order(user.id, data_id)["input"]
            assert refused(bot.post("/jobs", both), code) == {"dataId": data_id}


def test_a_video_is_not_animated_wherever_it_comes_from(bot: Bot) -> None:
    user, picture = make_user(100), make_image()
    with unchanged():
        for source in ({"url": "https://example.com/a.mp4"}, {"dataId": str(picture.id)}):
            wish = order(user.id, uuid4()) | {"input": [{"type": "video", **source}]}
            refused(bot.post("/jobs", wish), "data_not_usable")


def test_a_photo_may_be_named_by_its_address(bot: Bot) -> None:
    user, url = make_user(RESTORE), "https://example.com/photos/ded-1945.jpg"
    wish = order(user.id, uuid4()) | {"input": [{"type": "image", "url": url}]}
    job = done(bot.post("/jobs", wish), 201)
    assert (job["status"], job["input"]) == ("queued", [{"type": "image", "url": url}])


def test_only_the_contracts_fields_of_an_input_are_kept(bot: Bot) -> None:
    wish = order(make_user(RESTORE).id, make_image().id)
    known = wish["input"][0] | {"meta": {"angle": 90}}
    wish["input"] = [known | {"price": 0, "storage_key": "../../etc/passwd"}]
    job = done(bot.post("/jobs", wish | {"priceRub": 0, "status": "done"}), 201)
    assert (job["input"], job["priceRub"], job["status"]) == ([known], 50, "queued")


def test_orders_of_nobody_and_for_nothing_are_refused(bot: Bot) -> None:
    picture = make_image().id
    with unchanged():
        refused(bot.post("/jobs", order(uuid4(), picture)), "user_not_found")
        refused(bot.get("/jobs", userId=uuid4()), "user_not_found")
        for job_id, code in ((uuid4(), "job_not_found"), ("7", "bad_request")):
            refused(bot.get(f"/jobs/{job_id}"), code)
            refused(bot.post(f"/jobs/{job_id}/cancel"), code)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"serviceType": "colorize"}, "serviceType"),
        ({"description": "я" * 301}, "description"),
        ({"userId": "anna"}, "userId"),
        ({"input": []}, "input"),
        ({"input": [{"type": "image"}]}, "input"),
        ({"input": [{"type": "image", "dataId": "7"}]}, "input"),
        ({"input": [{"type": "image", "url": "file:///etc/passwd"}]}, "input"),
        ({"input": [{"type": "image", "url": "https://a.example/a"}] * 11}, "input"),
    ],
)
def test_an_order_that_is_not_the_contracts_is_refused(
    bot: Bot, changes: dict[str, Any], field: str
) -> None:
    wish = order(make_user(100).id, make_image().id) | changes
    with unchanged():
        details = refused(bot.post("/jobs", wish), "bad_request")
        assert any(name.startswith(field) for name in details), details


def test_a_service_without_a_model_is_not_sold_for_now(bot: Bot) -> None:
    user, picture = make_user(100), make_image()

    def offer(offered: bool) -> None:
        model = GenerationModel.name == "animate-standard"
        with transaction() as session:
            session.execute(update(GenerationModel).where(model).values(is_default=offered))

    offer(False)
    try:
        with unchanged():
            wish = order(user.id, picture.id, "animate")
            refused(bot.post("/jobs", wish), "service_unavailable_now")
        bot.order(user.id, picture.id, "restore")
    finally:
        offer(True)
    bot.order(user.id, picture.id, "animate")


def test_consent_is_asked_for_where_the_operator_wants_it(bot: Bot, other_bot: Bot) -> None:
    user, picture = make_user(100), make_image()
    with unchanged():
        refused(other_bot.post("/jobs", order(user.id, picture.id)), "consent_required")
    done(other_bot.patch(f"/users/{user.id}/consent", {"consentPd": True}), 200)
    other_bot.order(user.id, picture.id)
    done(other_bot.patch(f"/users/{user.id}/consent", {"consentPd": False}), 200)
    with unchanged():
        refused(other_bot.post("/jobs", order(user.id, picture.id)), "consent_required")
    bot.order(user.id, picture.id)  # elsewhere the bot itself asks
