"""Tag Lotteries: what runs now, and how one takes part. The draw is in tests/services."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from db import transaction
from db.models import Lottery
from db.types import now
from services import lotteries
from services.lotteries import Prize
from tests.live import Bot, done, refused, unchanged
from tests.threads import at_once

SUBMIT = "/lotteries/entries/submit-social"
ME = "/lotteries/entries/me"


@pytest.fixture
def lottery(bot: Bot) -> Iterator[Lottery]:
    """The current lottery; after the test none runs."""
    with transaction() as session:
        running = lotteries.create(
            session,
            title="Новогодний розыгрыш",
            description="Приглашайте друзей",
            start_date=now() - timedelta(hours=1),
            end_date=now() + timedelta(hours=1),
            prizes=[Prize("Главный приз", 1, Decimal(50)), Prize("Ещё", 2, Decimal("0.5"))],
        )
    yield running
    with transaction() as session:
        lotteries.cancel(session, running.id)


def test_without_a_lottery_there_is_nothing_to_take_part_in(bot: Bot) -> None:
    user = bot.register()
    wish = {"userId": user["id"], "socialLinks": ["https://vk.com/wall-1_42"]}
    with unchanged():
        refused(bot.get("/lotteries/current"), "no_current_lottery")
        refused(bot.get(ME, userId=user["id"]), "no_current_lottery")
        refused(bot.post(SUBMIT, wish), "no_current_lottery")


def test_the_current_lottery_is_shown_without_its_secret(bot: Bot, lottery: Lottery) -> None:
    with unchanged():
        current = done(bot.get("/lotteries/current"), 200)
        (listed, *_) = done(bot.get("/lotteries/history"), 200)
    assert current == listed
    assert (current["id"], current["title"]) == (str(lottery.id), lottery.title)
    assert [prize["title"] for prize in current["prizes"]] == ["Главный приз", "Ещё"]
    assert current["seedHash"] == hashlib.sha256(lottery.seed.encode()).hexdigest()
    assert not current.keys() & {"seed", "winners", "drawnAt", "entriesHash"}
    assert lottery.seed not in bot.get("/lotteries/current").text


def test_the_first_links_make_an_entry_and_further_ones_join_it(bot: Bot, lottery: Lottery) -> None:
    user_id = bot.register()["id"]
    with unchanged():
        refused(bot.get(ME, userId=user_id), "entry_not_found")
    links = [f"https://vk.com/wall-1_{number}" for number in range(3)]
    first = done(bot.post(SUBMIT, {"userId": user_id, "socialLinks": links[:2]}), 200)
    assert (first["lotteryId"], first["userId"]) == (str(lottery.id), user_id)
    assert (first["socialLinks"], first["referralCount"]) == (links[:2], 0)
    again = done(bot.post(SUBMIT, {"userId": user_id, "socialLinks": links[1:]}), 200)
    assert again == first | {"socialLinks": links}
    assert done(bot.get(ME, userId=user_id), 200) == again


def test_links_sent_at_once_are_all_kept_in_one_entry(bot: Bot, lottery: Lottery) -> None:
    user_id, links = bot.register()["id"], [f"https://ok.ru/{number}" for number in range(8)]
    left = list(links)
    answers = at_once(lambda: bot.post(SUBMIT, {"userId": user_id, "socialLinks": [left.pop()]}), 8)
    assert len({done(answer, 200)["id"] for answer in answers}) == 1
    assert sorted(done(bot.get(ME, userId=user_id), 200)["socialLinks"]) == links


def test_twenty_links_are_enough(bot: Bot, lottery: Lottery) -> None:
    user_id = bot.register()["id"]
    links = [f"https://vk.com/wall-1_{number}" for number in range(21)]
    done(bot.post(SUBMIT, {"userId": user_id, "socialLinks": links[:20]}), 200)
    with unchanged():
        for more in (links[20:], links):
            answer = bot.post(SUBMIT, {"userId": user_id, "socialLinks": more})
            assert "socialLinks" in refused(answer, "bad_request")
    done(bot.post(SUBMIT, {"userId": user_id, "socialLinks": links[:5]}), 200)


def test_a_friend_who_comes_meanwhile_counts(bot: Bot, lottery: Lottery) -> None:
    inviter = bot.register()
    answers = at_once(lambda: bot.register(refCode=inviter["refCode"]), 5)
    assert {each["referrerId"] for each in answers} == {inviter["id"]}
    entry = done(bot.get(ME, userId=inviter["id"]), 200)
    assert (entry["referralCount"], entry["socialLinks"]) == (5, [])


@pytest.mark.parametrize(
    "links",
    [
        [],
        ["javascript:alert(1)"],
        ["ftp://vk.com/a"],
        ["vk.com/a"],
        ["https://vk.com/a b"],
        ["https://vk.com/a"] * 2,
        ["https://vk.com/" + "a" * 500],
        "https://vk.com/a",
    ],
)
def test_what_is_not_a_list_of_links_is_refused(bot: Bot, lottery: Lottery, links: object) -> None:
    user_id = bot.register()["id"]
    with unchanged():
        answer = bot.post(SUBMIT, {"userId": user_id, "socialLinks": links})
        assert any(name.startswith("socialLinks") for name in refused(answer, "bad_request"))
        refused(bot.get(ME, userId=user_id), "entry_not_found")


def test_an_unknown_user_cannot_take_part(bot: Bot, lottery: Lottery) -> None:
    with unchanged():
        refused(bot.get(ME, userId=uuid4()), "user_not_found")
        wish = {"userId": str(uuid4()), "socialLinks": ["https://vk.com/a"]}
        refused(bot.post(SUBMIT, wish), "user_not_found")
