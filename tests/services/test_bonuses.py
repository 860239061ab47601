from __future__ import annotations

from itertools import count

import pytest

import settings
from db import transaction
from db.types import now
from errors import ApiError
from services import bonuses, reviews
from tests.factories import balance, make_user
from tests.threads import at_once

CHAT = -1001
_messages = count(1)


def grant(user, channel="@kreatum"):
    with transaction() as session:
        return bonuses.grant_channel(session, user.id, channel)


def post(author_id, message_id=None, text="спасибо"):
    message_id = message_id or next(_messages)
    with transaction() as session:
        reviews.ingest(
            session,
            chat_id=CHAT,
            message_id=message_id,
            author_id=author_id,
            text_sha256=text,
            posted_at=now(),
        )
    return message_id


def check(user, message_id=None):
    with transaction() as session:
        if message_id is None:
            return reviews.check_own(session, user.id)
        return reviews.check_message(session, user.id, CHAT, message_id)


def test_a_channel_gives_its_bonus_once_however_often_it_is_asked_at_once():
    user = make_user()
    grants = at_once(lambda: grant(user), 8)
    bonus = settings.load().channel_bonus_tokens
    assert sum(found.granted for found in grants) == 1
    assert {found.balance_tokens for found in grants} == {bonus}
    assert balance(user.id) == bonus


def test_another_channel_gives_its_own_bonus():
    user = make_user()
    assert grant(user, "@one").granted and grant(user, "@two").granted


@pytest.mark.parametrize(
    "spelling", ["kreatum", "@Kreatum", "https://t.me/kreatum", "t.me/Kreatum/"]
)
def test_a_channel_has_one_spelling(spelling):
    assert bonuses.normalized(spelling) == "@kreatum"


def test_a_review_rewards_its_author_once():
    user = make_user()
    post(int(user.telegram_id))
    results = at_once(lambda: check(user), 6)
    assert all(result.found for result in results)
    assert sum(result.granted for result in results) == 1
    assert balance(user.id) == settings.load().review_bonus_tokens


def test_a_second_review_is_found_but_not_rewarded():
    user = make_user()
    post(int(user.telegram_id))
    check(user)
    again = check(user, post(int(user.telegram_id)))
    assert (again.found, again.granted) == (True, False)


def test_somebody_elses_or_an_anonymous_message_is_not_a_review():
    user, other = make_user(), make_user()
    assert not check(user).found
    assert not check(user, post(int(other.telegram_id))).found
    assert not check(user, post(None)).found


def test_a_message_that_served_one_user_cannot_serve_another():
    user, other = make_user(), make_user()
    message = post(int(user.telegram_id))
    check(user, message)
    with pytest.raises(ApiError, match="review_already_used"):
        check(other, message)


def test_an_edit_changes_the_text_but_neither_author_nor_reward():
    user = make_user()
    message = post(int(user.telegram_id))
    check(user, message)
    post(None, message, "другое")
    with transaction() as session:
        assert reviews.known_author(session, CHAT, message) == user.telegram_id
    assert check(user, message).found


def test_a_rejected_message_is_never_rewarded_and_an_approved_one_is():
    user = make_user()
    message = post(int(user.telegram_id))
    with transaction() as session:
        spam = reviews.recent(session, state="seen", limit=1)[0]
        reviews.reject(session, spam.id, note="реклама")
    assert not check(user, message).found
    post(None)
    with transaction() as session:
        anonymous = reviews.recent(session, state="seen", limit=1)[0]
        assert reviews.approve(session, anonymous.id, user.id).granted
