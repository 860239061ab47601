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


def post(author_id, message_id=None, text=None, length=40):
    message_id = message_id or next(_messages)
    with transaction() as session:
        reviews.ingest(
            session,
            chat_id=CHAT,
            message_id=message_id,
            author_id=author_id,
            text_sha256=f"words of {message_id}" if text is None else text,
            prose_length=length,
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


def states(*messages):
    with transaction() as session:
        rows = {row.message_id: row for row in reviews.listed(session, limit=50).rows}
    return [rows[each].state for each in messages]


def test_words_that_another_was_rewarded_for_wait_for_the_operator():
    author, copier = make_user(), make_user()
    original, copy = (post(int(user.telegram_id), text="оживили") for user in (author, copier))
    assert check(author).granted
    for message in (None, copy, None):
        found = check(copier, message)
        assert (found.found, found.granted, found.balance_tokens) == (False, False, 0)
    assert states(original, copy) == ["rewarded", "held"]
    with transaction() as session:
        (held,) = [
            row
            for row in reviews.listed(session, state="held", limit=50).rows
            if row.message_id == copy
        ]
        assert "the same words" in (held.note or "")
        assert reviews.approve(session, held.id, copier.id).granted


def test_a_copy_does_not_keep_its_writer_from_an_honest_review():
    author, copier = make_user(), make_user()
    post(int(author.telegram_id), text="лучший бот")
    assert check(author).granted
    copy = post(int(copier.telegram_id), text="лучший бот")
    own = post(int(copier.telegram_id))
    assert check(copier).granted
    assert states(copy, own) == ["held", "rewarded"]


def test_a_held_message_in_new_words_counts_again():
    author, copier = make_user(), make_user()
    post(int(author.telegram_id), text="восторг")
    assert check(author).granted
    copy = post(int(copier.telegram_id), text="восторг")
    assert not check(copier).found
    post(int(copier.telegram_id), copy, "восторг")  # an edit that changes no word
    assert not check(copier, copy).found
    post(int(copier.telegram_id), copy, "своими словами")
    assert check(copier).granted


def test_an_edit_does_not_free_the_words_that_were_rewarded():
    author, copier = make_user(), make_user()
    original = post(int(author.telegram_id), text="ожило")
    assert check(author).granted
    post(int(author.telegram_id), original, "уже другое")
    copy = post(int(copier.telegram_id), text="ожило")
    assert not check(copier, copy).found


def test_of_people_who_claim_the_same_words_at_once_one_is_rewarded():
    copiers = [make_user() for _ in range(6)]
    messages = [post(int(user.telegram_id), text="одно на всех") for user in copiers]
    left = list(copiers)
    results = at_once(lambda: check(left.pop()), 6)
    assert sorted(result.granted for result in results) == [False] * 5 + [True]
    assert sorted(states(*messages)) == ["held"] * 5 + ["rewarded"]


@pytest.mark.parametrize(("length", "counts"), [(0, False), (9, False), (10, True), (None, True)])
def test_a_review_needs_a_few_words_unless_it_is_a_picture(length, counts):
    user = make_user()
    message = post(int(user.telegram_id), length=length)
    assert check(user, message).found is check(user).found is counts
    assert states(message) == ["rewarded" if counts else "seen"]


def test_pictures_without_words_are_no_copies_of_each_other():
    for _ in range(2):
        user = make_user()
        post(int(user.telegram_id), text="", length=None)
        assert check(user).granted


def test_a_rejected_message_is_never_rewarded_and_an_approved_one_is():
    user = make_user()
    message = post(int(user.telegram_id))
    with transaction() as session:
        spam = reviews.listed(session, state="seen", limit=1).rows[0]
        reviews.reject(session, spam.id, note="реклама")
    assert not check(user, message).found
    post(None)
    with transaction() as session:
        anonymous = reviews.listed(session, state="seen", limit=1).rows[0]
        assert reviews.approve(session, anonymous.id, user.id).granted
