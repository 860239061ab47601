"""Tags Subscriptions and Reviews, as far as they work while Telegram does not answer."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from db import transaction
from db.types import now
from services import reviews
from tests.flows.conftest import CHANNEL, REVIEW_CHAT
from tests.live import Bot, done, refused, unchanged
from tests.threads import at_once

SUBSCRIPTION = "/subscriptions/check-channel"
REVIEW = "/reviews/check"
BONUS = 5  # tokens, by default

_message_ids = count(1)


def subscription(user: dict[str, Any], channel: str = CHANNEL) -> dict[str, str]:
    return {"userId": user["id"], "telegramId": user["telegramId"], "channelUsername": channel}


def written_by(user: dict[str, Any]) -> str:
    """A review of theirs that the bot has seen in the chat; the link to it."""
    message_id = next(_message_ids)
    with transaction() as session:
        reviews.ingest(
            session,
            chat_id=REVIEW_CHAT,
            message_id=message_id,
            author_id=int(user["telegramId"]),
            text_sha256="",
            prose_length=30,
            posted_at=now(),
        )
    return f"https://t.me/c/{str(REVIEW_CHAT).removeprefix('-100')}/{message_id}"


def test_a_channel_is_checked_for_its_member_only(other_bot: Bot) -> None:
    user, other = other_bot.register(), other_bot.register()
    with unchanged():
        for wish, code in (
            (subscription(user, "@somewhere_else"), "channel_not_eligible"),
            (subscription(user) | {"telegramId": other["telegramId"]}, "telegram_id_mismatch"),
            (subscription(user) | {"userId": str(uuid4())}, "user_not_found"),
            (subscription(user) | {"channelUsername": ""}, "bad_request"),
            (subscription(user) | {"userId": "anna"}, "bad_request"),
        ):
            refused(other_bot.post(SUBSCRIPTION, wish), code)


def test_silence_of_telegram_is_never_taken_for_a_no(bot: Bot, other_bot: Bot) -> None:
    user = other_bot.register()
    elsewhere = {"userId": user["id"], "messageLink": "https://t.me/live_photo_talk/7"}
    with unchanged():
        for answer in (
            other_bot.post(SUBSCRIPTION, subscription(user)),
            other_bot.post(REVIEW, elsewhere),
            bot.post(REVIEW, elsewhere),  # has no bot at all
        ):
            refused(answer, "telegram_unavailable")
            assert int(answer.headers["Retry-After"]) > 0


def test_a_review_is_found_and_rewarded_once(other_bot: Bot) -> None:
    user = other_bot.register()
    wish = {"userId": user["id"]}
    assert done(other_bot.post(REVIEW, wish), 200) == {
        "found": False,
        "bonusGranted": False,
        "balanceTokens": 0,
    }
    link = written_by(user)
    answers = at_once(lambda: done(other_bot.post(REVIEW, wish), 200), 6)
    assert sorted(answer["bonusGranted"] for answer in answers) == [False] * 5 + [True]
    assert {(answer["found"], answer["balanceTokens"]) for answer in answers} == {(True, BONUS)}
    written_by(user)
    with unchanged():
        for again in (wish, wish | {"messageLink": link}):
            answer = done(other_bot.post(REVIEW, again), 200)
            assert (answer["found"], answer["bonusGranted"]) == (True, False)
    assert done(other_bot.get(f"/users/{user['id']}"), 200)["hasLeftReview"]
    (promo,) = done(other_bot.get("/transactions", userId=user["id"]), 200)
    assert (promo["type"], promo["tokensDelta"]) == ("promo", BONUS)
    assert promo["meta"]["reason"] == "review"


def test_a_review_found_by_its_link_serves_its_author_only(other_bot: Bot) -> None:
    author, thief = other_bot.register(), other_bot.register()
    link = written_by(author)
    stolen = {"userId": thief["id"], "messageLink": link}
    with unchanged():
        assert not done(other_bot.post(REVIEW, stolen), 200)["found"]
    mine = done(other_bot.post(REVIEW, stolen | {"userId": author["id"]}), 200)
    assert mine == {"found": True, "bonusGranted": True, "balanceTokens": BONUS}
    with unchanged():
        refused(other_bot.post(REVIEW, stolen), "review_already_used")


@pytest.mark.parametrize(
    "link", ["not a link", "https://example.com/c/1/2", "https://t.me/live_photo_talk"]
)
def test_a_link_that_names_no_message_is_refused(other_bot: Bot, link: str) -> None:
    user = other_bot.register()
    with unchanged():
        answer = other_bot.post(REVIEW, {"userId": user["id"], "messageLink": link})
        assert "messageLink" in refused(answer, "bad_request")


def test_an_unknown_user_has_no_review(other_bot: Bot) -> None:
    with unchanged():
        refused(other_bot.post(REVIEW, {"userId": str(uuid4())}), "user_not_found")
