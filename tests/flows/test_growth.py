"""Bonus channels, with a Telegram that answers, refuses, lies, hangs and goes away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.growth_world import (
    CHANNEL_BONUS,
    LOST_CHANNEL,
    SECOND_CHANNEL,
    SECOND_NAME,
    Growth,
)
from tests.live import done, refused, unchanged
from tests.telegram_world import CHANNEL
from tests.threads import at_once
from tests.wire import wait_until

ABSENT = {"isMember": False, "bonusGranted": False, "balanceTokens": 0}
GRANTED = {"isMember": True, "bonusGranted": True, "balanceTokens": CHANNEL_BONUS}
ASKED = "getChatMember"


@pytest.mark.parametrize(
    ("place", "is_member"),
    [
        ({"status": "creator"}, True),
        ({"status": "administrator"}, True),
        ({"status": "member"}, True),
        ({"status": "restricted", "is_member": True}, True),
        ({"status": "restricted", "is_member": False}, False),
        ({"status": "left"}, False),
        ({"status": "kicked"}, False),
    ],
)
def test_the_bonus_is_for_who_is_in_the_channel(
    growth: Growth, place: dict[str, Any], is_member: bool
) -> None:
    user = growth.visitor()
    growth.join(user, **place)
    assert done(growth.check_channel(user), 200) == (GRANTED if is_member else ABSENT)
    assert growth.bot.balance(user["id"]) == (CHANNEL_BONUS if is_member else 0)


def test_somebody_telegram_has_never_met_is_not_a_member(growth: Growth) -> None:
    user = growth.bot.register()
    with unchanged():
        assert done(growth.check_channel(user), 200) == ABSENT


def test_who_joins_after_a_no_gets_the_bonus_at_once(growth: Growth) -> None:
    user = growth.visitor()
    assert done(growth.check_channel(user), 200) == ABSENT
    growth.join(user)
    assert done(growth.check_channel(user), 200) == GRANTED


def test_each_channel_gives_its_bonus_once_in_whatever_spelling(growth: Growth) -> None:
    user = growth.visitor()
    growth.join(user)
    growth.join(user, chat=SECOND_CHANNEL)
    assert done(growth.check_channel(user, "live_photo"), 200) == GRANTED
    with unchanged():
        for spelling in ("@Live_Photo", "https://t.me/live_photo", " t.me/LIVE_PHOTO/ "):
            again = done(growth.check_channel(user, spelling), 200)
            assert again == GRANTED | {"bonusGranted": False}
    second = done(growth.check_channel(user, f"@{SECOND_NAME}"), 200)
    assert second == GRANTED | {"balanceTokens": 2 * CHANNEL_BONUS}
    moves = done(growth.bot.get("/transactions", userId=user["id"]), 200)
    assert [(move["type"], move["tokensDelta"]) for move in moves] == [("promo", CHANNEL_BONUS)] * 2
    assert [move["meta"]["channel"] for move in moves] == ["@second_channel", "@live_photo"]


def test_pressing_twice_at_once_gives_one_bonus(growth: Growth) -> None:
    user = growth.visitor()
    growth.join(user)
    answers = [done(each, 200) for each in at_once(lambda: growth.check_channel(user), 6)]
    assert sorted(each["bonusGranted"] for each in answers) == [False] * 5 + [True]
    assert {(each["isMember"], each["balanceTokens"]) for each in answers} == {
        (True, CHANNEL_BONUS)
    }
    assert growth.bot.balance(user["id"]) == CHANNEL_BONUS


def test_telegram_is_not_asked_where_no_bonus_can_come_of_it(growth: Growth) -> None:
    user, other = growth.visitor(), growth.visitor()
    growth.inject_fault("status", ASKED, status=500, times=99)  # would be a 503
    with unchanged():
        mine = {"telegramId": other["telegramId"]}
        refused(growth.check_channel(user, **mine), "telegram_id_mismatch")
        refused(growth.check_channel(user, userId=str(uuid4())), "user_not_found")
        for nonsense in (
            "@",
            "/",
            "@@",
            "live photo",
            "@live_photo2",
            "https://t.me/",
            "💥",
            "-1001",
        ):
            refused(growth.check_channel(user, nonsense), "channel_not_eligible")
        for nonsense in ("", "a" * 65, "@live_photo\0"):
            refused(growth.check_channel(user, nonsense), "bad_request")


@pytest.mark.parametrize(
    "telegram_id", ["anna", "-5", "0", "007", "1_0", "٣", "9" * 17, "1e9", "1.0"]
)
def test_who_has_no_id_of_telegram_is_told_so(growth: Growth, telegram_id: str) -> None:
    # The contract lets a bot register any text.
    visitor = {"telegramId": f"{telegram_id}"}
    answer = growth.bot.post("/users/register-or-login", visitor)
    if not telegram_id.isascii():
        refused(answer, "bad_request")
        return
    user = done(answer, 200)
    with unchanged():
        assert "telegramId" in refused(growth.check_channel(user), "bad_request")


def test_the_largest_id_of_telegram_is_asked_about(growth: Growth) -> None:
    user = growth.bot.register(telegramId=str(2**52 - 1))
    growth.join(user)
    assert done(growth.check_channel(user), 200)["isMember"]


@pytest.mark.parametrize("bot_status", ["member", "left", "kicked"])
def test_a_bot_without_rights_is_trouble_and_an_alarm_and_never_a_no(
    growth: Growth, bot_status: str
) -> None:
    user = growth.visitor()
    growth.join(user)
    channel = {"type": "channel", "username": "live_photo", "bot_status": bot_status}
    growth.world.control("PUT", f"/chats/{CHANNEL}", **channel)
    before = len(growth.alarms())
    with unchanged():
        answer = growth.check_channel(user)
        refused(answer, "telegram_unavailable")
    assert answer.headers["Retry-After"] == "60"
    (alarm,) = growth.alarms()[before:]
    assert "docs/telegram.md" in alarm
    growth.world.control("PUT", f"/chats/{CHANNEL}", type="channel", username="live_photo")
    assert done(growth.check_channel(user), 200) == GRANTED


def test_a_channel_of_the_settings_that_telegram_does_not_know_is_refused_and_an_alarm(
    growth: Growth,
) -> None:
    user, before = growth.visitor(), len(growth.alarms())
    with unchanged():
        refused(growth.check_channel(user, LOST_CHANNEL), "channel_not_eligible")
    (alarm,) = growth.alarms()[before:]
    assert "chat not found" in alarm


@pytest.mark.parametrize(
    "script",
    [{"kind": "html"}, {"kind": "drop"}, {"kind": "status", "status": 500}],
    ids=lambda script: script["kind"],
)
def test_a_failure_is_retried_or_reported_and_never_a_no(
    growth: Growth, script: dict[str, Any]
) -> None:
    user = growth.visitor()
    growth.join(user)
    growth.inject_fault(method=ASKED, times=3, **script)
    with unchanged():
        answer = growth.check_channel(user)
        refused(answer, "telegram_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    growth.inject_fault(method=ASKED, **script)
    assert done(growth.check_channel(user), 200) == GRANTED


def test_an_unknown_status_is_never_a_no(growth: Growth) -> None:
    user = growth.visitor()
    growth.inject_fault("status", ASKED, status=400, description="Bad Request: SOMETHING_NEW")
    with unchanged():
        refused(growth.check_channel(user), "telegram_unavailable")


def test_a_short_wait_for_telegram_is_waited_out_and_a_long_one_passed_on(growth: Growth) -> None:
    user = growth.visitor()
    growth.join(user)
    growth.inject_fault("status", ASKED, status=429, retry_after=4)
    with unchanged():
        answer = growth.check_channel(user)
        refused(answer, "telegram_unavailable")
    assert answer.headers["Retry-After"] == "4"
    # Once what remains of the four seconds is short enough, it is waited out.
    answers: list[requests.Response] = []
    wait_until(lambda: answers.append(growth.check_channel(user)) or answers[-1].ok)
    assert {each.headers["Retry-After"] for each in answers[:-1]} <= {"4"}
    assert done(answers[-1], 200) == GRANTED


def test_while_telegram_hangs_others_are_served_and_then_it_is_asked_again(growth: Growth) -> None:
    user, other = growth.visitor(), growth.visitor()
    growth.join(user)
    growth.inject_fault("hang", ASKED, seconds=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(growth.check_channel, user)
        growth.wait_for_fault()
        assert done(growth.check_channel(other), 200) == ABSENT
        assert done(growth.check_review(other), 200)["found"] is False
        assert not waiting.done()
        assert done(waiting.result(), 200) == GRANTED
        assert growth.hanging() == 1, "the call that hangs was given up, not waited for"


@pytest.mark.parametrize(
    "script",
    [
        {"kind": "hang", "seconds": 60, "times": 10},
        {"kind": "status", "status": 429, "retry_after": 3},
    ],
    ids=lambda script: script["kind"],
)
def test_many_who_wait_for_telegram_do_not_keep_others_waiting(
    growth: Growth, script: dict[str, Any]
) -> None:
    crowd = [growth.visitor() for _ in range(10)]
    growth.inject_fault(method=ASKED, **script)
    with ThreadPoolExecutor(len(crowd)) as pool:
        # The first one finds the fault, so that the others come while Telegram is known to wait.
        waiting = [pool.submit(growth.check_channel, crowd[0])]
        growth.wait_for_fault()
        waiting += [pool.submit(growth.check_channel, user) for user in crowd[1:]]
        wait_until(lambda: any(each.done() for each in waiting))  # who finds no place to wait
        done(growth.bot.get(f"/users/{crowd[0]['id']}"), 200)
        assert not all(each.done() for each in waiting)
        growth.world.control("DELETE", "/faults")
        answers = [each.result() for each in waiting]
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            refused(answer, "telegram_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
