"""Tag Referrals: the link that brings friends, and its statistics."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.live import Bot, done, refused, unchanged


def test_the_link_carries_the_users_own_code(other_bot: Bot) -> None:
    user = other_bot.register()
    link = done(other_bot.get("/referrals/link", userId=user["id"]), 200)["refLink"]
    assert link == f"https://t.me/live_photo_bot?start={user['refCode']}"


def test_friends_are_counted_and_listed_but_bring_nothing_before_they_pay(bot: Bot) -> None:
    inviter = bot.register()
    query = {"userId": inviter["id"]}
    assert done(bot.get("/referrals/history", **query), 200) == []
    first, second = (bot.register(refCode=inviter["refCode"]) for _ in range(2))
    bot.register(telegramId=first["telegramId"], refCode=inviter["refCode"])  # only comes again

    history = done(bot.get("/referrals/history", **query), 200)
    assert [each["inviteeId"] for each in history] == [second["id"], first["id"]]
    for each in history:
        assert each["inviterId"] == inviter["id"]
        assert (each["inviteePaid"], each["rewardGiven"]) == (False, False)
    with unchanged():
        stats = done(bot.get("/referrals/stats", **query), 200)
    assert stats == {"totalInvited": 2, "invitedPaidCount": 0, "refEarned": 0}
    assert bot.balance(inviter["id"]) == 0


@pytest.mark.parametrize("path", ["link", "stats", "history"])
def test_an_unknown_user_has_no_referrals(bot: Bot, path: str) -> None:
    with unchanged():
        refused(bot.get(f"/referrals/{path}", userId=uuid4()), "user_not_found")
        assert "userId" in refused(bot.get(f"/referrals/{path}", userId="anna"), "bad_request")
        assert "userId" in refused(bot.get(f"/referrals/{path}"), "bad_request")
