"""The five lists, read by a client that follows Link headers and ignores cursors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from db import transaction
from db.types import now
from services import lotteries
from tests.factories import make_image, make_user
from tests.live import Bot, Server, done, refused, unchanged

Growing = tuple[dict[str, Any], Callable[[], Any]]

_days_ago = count(3000)


def jobs(bot: Bot) -> Growing:
    user, picture = make_user(), make_image()
    return {"userId": user.id}, lambda: bot.order(user.id, picture.id)


def transactions(bot: Bot) -> Growing:
    user = make_user()
    return {"userId": user.id}, lambda: make_user(1, telegram_id=user.telegram_id)


def invitations(bot: Bot) -> Growing:
    inviter = bot.register()
    return {"userId": inviter["id"]}, lambda: bot.register(refCode=inviter["refCode"])


def ended_lotteries(bot: Bot) -> Growing:
    def add() -> None:
        day = now() - timedelta(days=next(_days_ago))
        with transaction() as session:
            lotteries.create(
                session,
                title="Прошлая",
                description="",
                start_date=day - timedelta(hours=1),
                end_date=day,
                prizes=[],
            )

    return {}, add


GROWING = {
    "/jobs": jobs,
    "/transactions": transactions,
    "/referrals/history": invitations,
    "/lotteries/history": ended_lotteries,
}
ALL = [*GROWING, "/tariffs"]


def pages(bot: Bot, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """All pages, each by the link of the previous one."""
    answer = bot.get(path, **query)
    yield done(answer, 200)
    while "next" in answer.links:
        answer = bot.get(answer.links["next"]["url"])
        yield done(answer, 200)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


@pytest.mark.parametrize("path", GROWING)
def test_pages_lead_to_the_end_of_the_list(bot: Bot, server: Server, path: str) -> None:
    query, add = GROWING[path](bot)
    for _ in range(5):
        add()
    whole = done(bot.get(path, **query), 200)
    assert len(whole) >= 5
    assert [each["createdAt"] for each in whole] == sorted(
        (each["createdAt"] for each in whole), reverse=True
    )
    with unchanged():
        found = list(pages(bot, path, **query, limit=2))
    assert sum(found, []) == whole
    assert {len(page) for page in found[:-1]} == {2}
    assert "Link" not in bot.get(path, **query, limit=len(whole)).headers
    link = bot.get(path, **query, limit=2).links["next"]["url"]
    assert link.startswith(f"{server.url}/v1{path}?")


@pytest.mark.parametrize("path", GROWING)
def test_rows_that_come_while_a_list_is_read_shift_nothing(bot: Bot, path: str) -> None:
    query, add = GROWING[path](bot)
    for _ in range(4):
        add()
    before = ids(done(bot.get(path, **query), 200))
    found = []
    for page in pages(bot, path, **query, limit=3):
        found += ids(page)
        add()
    assert found == before


def test_tariffs_keep_the_operators_order_over_pages(bot: Bot) -> None:
    whole = done(bot.get("/tariffs"), 200)
    with unchanged():
        assert list(pages(bot, "/tariffs", limit=1)) == [[each] for each in whole]


@pytest.mark.parametrize("path", ALL)
def test_a_page_that_cannot_be_is_refused(bot: Bot, path: str) -> None:
    query = GROWING[path](bot)[0] if path in GROWING else {}
    with unchanged():
        for limit in (0, 1001, -1, "many", "1.5"):
            assert "limit" in refused(bot.get(path, **query, limit=limit), "bad_request")
        for cursor in ("x", "MA", "LTE", "й", "OTIyMzM3MjAzNjg1NDc3NTgwOA", "%00"):
            assert "cursor" in refused(bot.get(path, **query, cursor=cursor), "bad_request")
        assert bot.get(path, **query, limit=1000).status_code == 200
