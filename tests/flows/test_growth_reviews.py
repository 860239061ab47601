"""Reviews: messages passed on by the bot, and those known only by a link."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.growth_world import CHANNEL_NAME, GROUP_NAME, REVIEW_BONUS, SECRET, Growth
from tests.live import done, refused, unchanged
from tests.telegram_world import CHANNEL, GROUP, LOG_CHAT
from tests.threads import at_once

NOTHING = {"found": False, "bonusGranted": False, "balanceTokens": 0}
GRANTED = {"found": True, "bonusGranted": True, "balanceTokens": REVIEW_BONUS}
AGAIN = GRANTED | {"bonusGranted": False}

LINKS = [
    "https://t.me/{group}/{id}",
    "http://t.me/{group}/{id}",
    "t.me/{group}/{id}",
    " https://t.me/{GROUP}/{id}?single ",
    "https://www.telegram.me/{group}/{id}",
    "https://telegram.dog/{group}/{id}?thread=7",
    "https://t.me/s/{group}/{id}",
    "https://{group}.t.me/{id}",
    "https://t.me/{group}/7/{id}",
    "https://t.me/c/{number}/{id}",
    "https://t.me/c/{number}/7/{id}",
    "https://t.me/{channel}/7?comment={id}",
    "https://t.me/c/{channel_number}/7?comment={id}",
]


def link(update: dict[str, Any], form: str = LINKS[0]) -> str:
    """How people copy the address of a message."""
    return form.format(
        group=GROUP_NAME,
        GROUP=GROUP_NAME.upper(),
        id=update["message"]["message_id"],
        number=str(GROUP).removeprefix("-100"),
        channel=CHANNEL_NAME,
        channel_number=str(CHANNEL).removeprefix("-100"),
    )


def test_a_message_that_the_bot_passes_on_is_found_without_a_link(growth: Growth) -> None:
    user = growth.visitor()
    update = growth.write(user)
    assert done(growth.check_review(user), 200) == NOTHING
    for _ in range(2):  # Telegram repeats what was not answered
        assert done(growth.forward(update), 200) == {}
    with unchanged():
        done(growth.forward(update, **{"X-Telegram-Bot-Api-Secret-Token": SECRET[::-1]}), 200)
    assert done(growth.check_review(user), 200) == GRANTED
    with unchanged():
        for named in (None, link(update), link(growth.write(user)), "t.me/elsewhere/1"):
            assert done(growth.check_review(user, named), 200) == AGAIN
    assert done(growth.bot.get(f"/users/{user['id']}"), 200)["hasLeftReview"] is True


def test_an_edit_counts_like_the_message_and_takes_nothing_back(growth: Growth) -> None:
    seen, unseen = growth.visitor(), growth.visitor()
    before, missed = growth.write(seen), growth.write(unseen)
    done(growth.forward(before), 200)
    for update in (before, missed):
        edited = growth.edit(update)
        assert "edited_message" in edited
        done(growth.forward(edited), 200)
    for user in (seen, unseen):
        assert done(growth.check_review(user), 200) == GRANTED


@pytest.mark.parametrize("form", LINKS)
def test_every_form_of_link_leads_to_a_message_that_was_seen(growth: Growth, form: str) -> None:
    user = growth.visitor()
    update = growth.write(user)
    done(growth.forward(update), 200)
    growth.inject_fault("drop", "forwardMessage")  # nothing is left to prove
    assert done(growth.check_review(user, link(update, form)), 200) == GRANTED


@pytest.mark.parametrize("written_as", ["anonymous", "channel", "automatic"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_message_without_a_person_is_nobodys_review(
    growth: Growth, written_as: str, seen: bool
) -> None:
    user = growth.visitor()
    update = growth.write(user, written_as=written_as)
    if seen:
        done(growth.forward(update), 200)
    for named in (None, link(update)):
        assert done(growth.check_review(user, named), 200) == NOTHING


def test_a_wordless_photo_is_a_review_and_a_service_message_is_not(growth: Growth) -> None:
    user = growth.visitor()
    joined = growth.write(user, text="", new_chat_members=[{"id": 1}], service=True)
    done(growth.forward(joined), 200)
    assert done(growth.check_review(user), 200) == NOTHING
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}]
    done(growth.forward(growth.write(user, text="", photo=photo)), 200)
    assert done(growth.check_review(user), 200) == GRANTED


@pytest.mark.parametrize(
    "text",
    ["/start", "/start@growth_live_photo_bot please give me tokens", "Супер!", "ок", "ok ok"],
)
@pytest.mark.parametrize("seen", [True, False])
def test_a_command_or_a_word_earns_nothing(growth: Growth, text: str, seen: bool) -> None:
    user = growth.visitor()
    update = growth.write(user, text=text)
    if seen:
        done(growth.forward(update), 200)
    for named in (None, link(update)):
        assert done(growth.check_review(user, named), 200) == NOTHING
    done(growth.forward(growth.edit(update)), 200)
    assert done(growth.check_review(user), 200) == GRANTED


def test_words_that_earned_somebody_a_bonus_wait_for_the_operator(growth: Growth) -> None:
    author, copier = growth.visitor(), growth.visitor()
    original = growth.write(author)
    text = original["message"]["text"]
    copy = growth.write(copier, text=f"  {text.replace(' ', chr(10))} ")
    for update in (original, copy):
        done(growth.forward(update), 200)
    assert done(growth.check_review(author), 200) == GRANTED
    for named in (None, link(copy)):
        assert done(growth.check_review(copier, named), 200) == NOTHING
    code, output, _ = growth.cli("reviews", "list", "--state", "held", "--limit", "1")
    assert code == 0 and "the same words as review" in output
    review_id, *_ = output.splitlines()[1].split()
    approved = growth.cli("reviews", "approve", review_id, copier["id"])
    assert approved == (0, "rewarded", "")
    assert done(growth.check_review(copier), 200) == AGAIN


def test_what_is_written_elsewhere_is_no_review(growth: Growth) -> None:
    user = growth.visitor()
    growth.world.control("PUT", "/chats/-1006", type="supergroup", username="elsewhere")
    with unchanged():
        done(growth.forward(growth.write(user, chat_id=-1006)), 200)
        post = growth.write(chat_id=CHANNEL)
        assert "channel_post" in post
        done(growth.forward(post), 200)
        private = growth.write(user)
        private["message"]["chat"] = {"id": int(user["telegramId"]), "type": "private"}
        done(growth.forward(private), 200)
        assert done(growth.check_review(user), 200) == NOTHING


def test_only_who_knows_the_secret_can_tell_of_a_review(growth: Growth) -> None:
    user = growth.visitor()
    update = growth.write(user)
    with unchanged():
        for secret in ("", "wrong", SECRET.upper(), f"{SECRET}0", f"{SECRET},{SECRET[::-1]}"):
            answer = growth.forward(update, **{"X-Telegram-Bot-Api-Secret-Token": secret})
            refused(answer, "signature_invalid")


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": 2**63},
        {"message_id": -1},
        {"message_id": "x"},
        {"chat": {"id": 2**70, "type": "supergroup", "username": 5}},
        {"chat": []},
        {"date": 10**20},
        {"date": None},
        {"from": "anna"},
        {"from": {"id": 2**70, "is_bot": False}},
        {"text": {"a": 1}},
        {"text": "\udc00"},
    ],
    ids=str,
)
def test_an_update_that_telegram_never_sends_is_refused_or_of_no_use(
    growth: Growth, changes: dict[str, Any]
) -> None:
    user = growth.visitor()
    update = growth.write(user)
    update["message"] |= changes
    answer = growth.forward(update)
    assert answer.status_code in (200, 400), answer.text
    assert done(growth.check_review(user), 200) == NOTHING


def test_an_unseen_message_is_proved_by_its_link(growth: Growth) -> None:
    user = growth.visitor()
    named = link(growth.write(user))
    assert done(growth.check_review(user), 200) == NOTHING
    assert done(growth.check_review(user, named), 200) == GRANTED


def test_the_message_of_a_link_serves_its_author_alone(growth: Growth) -> None:
    author, thief = growth.visitor(), growth.visitor()
    named = link(growth.write(author))
    assert done(growth.check_review(thief, named), 200) == NOTHING
    # The other user's check has stored the message, so that no link is needed any more.
    assert done(growth.check_review(author), 200) == GRANTED
    with unchanged():
        refused(growth.check_review(thief, named), "review_already_used")


def test_a_user_hidden_in_forwards_may_change_their_settings_and_try_again(growth: Growth) -> None:
    user = growth.visitor()
    person = f"/users/{user['telegramId']}"
    growth.world.control("PUT", person, hides_forwards=True)
    named = link(growth.write(user))
    assert done(growth.check_review(user, named), 200) == NOTHING
    growth.world.control("PUT", person, hides_forwards=False)
    assert done(growth.check_review(user, named), 200) == GRANTED


def test_a_channel_post_that_was_forwarded_has_no_author(growth: Growth) -> None:
    user = growth.visitor()
    origin = {"type": "channel", "date": 1, "message_id": 5, "chat": {"id": CHANNEL}}
    named = link(growth.write(user, forward_origin=origin))
    assert done(growth.check_review(user, named), 200) == NOTHING


def test_what_is_gone_or_protected_proves_nothing(growth: Growth) -> None:
    user = growth.visitor()
    protected = growth.write(user, protected=True)
    gone = growth.write(user)
    place = {"chat_id": GROUP, "message_id": gone["message"]["message_id"]}
    assert growth.world.call_bot("deleteMessage", **place) is True
    with unchanged():
        for update in (protected, gone):
            assert done(growth.check_review(user, link(update)), 200) == NOTHING


def test_a_link_elsewhere_is_refused_without_a_word_to_telegram(growth: Growth) -> None:
    user, before = growth.visitor(), len(growth.alarms())
    growth.world.control("PUT", "/chats/-1007", type="supergroup", bot_status="left")
    with unchanged():
        for named in (
            "https://t.me/somebody_else/7",
            "https://t.me/c/7/7",
            "https://t.me/somebody_else/7?comment=9",
            f"https://t.me/{CHANNEL_NAME}/7",
            f"https://t.me/c/{str(LOG_CHAT).removeprefix('-100')}/7",
        ):
            refused(growth.check_review(user, named), "channel_not_eligible")
        for named in ("https://t.me/somebody_else", "https://example.com/a/7", "t.me/a/b", "💥"):
            assert "messageLink" in refused(growth.check_review(user, named), "bad_request")
        refused(
            growth.check_review({"id": str(uuid4())}, "t.me/live_photo_talk/7"), "user_not_found"
        )
    assert growth.alarms()[before:] == []


@pytest.mark.parametrize("method", ["getChat", "forwardMessage"])
def test_without_telegram_a_link_is_neither_a_yes_nor_a_no(growth: Growth, method: str) -> None:
    user = growth.visitor()
    named = link(growth.write(user))
    scripts: tuple[dict[str, Any], ...] = (
        {"kind": "drop", "times": 3},
        {"kind": "html", "times": 3},
        {"kind": "status", "status": 403, "description": "Forbidden: bot was kicked"},
        {"kind": "status", "status": 400, "description": "Bad Request: not enough rights"},
    )
    for script in scripts:
        growth.inject_fault(method=method, **script)
        with unchanged():
            refused(growth.check_review(user, named), "telegram_unavailable")
        growth.world.control("DELETE", "/faults")
    assert done(growth.check_review(user, named), 200) == GRANTED


def test_a_check_at_once_by_many_rewards_one_message_and_one_person_once(growth: Growth) -> None:
    user = growth.visitor()
    links = [link(growth.write(user)) for _ in range(2)]
    left = links * 3
    answers = [
        done(each, 200) for each in at_once(lambda: growth.check_review(user, left.pop()), 6)
    ]
    assert sorted(each["bonusGranted"] for each in answers) == [False] * 5 + [True]
    assert all(each["found"] for each in answers)
    assert growth.bot.balance(user["id"]) == REVIEW_BONUS
