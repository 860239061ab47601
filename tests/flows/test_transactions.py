"""Tag Transactions: every token that came or went, and why."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from tests.factories import make_image, make_user
from tests.live import Bot, done, refused, unchanged

PRICE = 5


def test_the_history_tells_every_move_newest_first(bot: Bot) -> None:
    user, picture = make_user(20), make_image()
    kept, cancelled = (bot.order(user.id, picture.id)["id"] for _ in range(2))
    done(bot.post(f"/jobs/{cancelled}/cancel"), 200)

    history = done(bot.get("/transactions", userId=user.id), 200)
    assert [(each["type"], each["tokensDelta"], each.get("jobId")) for each in history] == [
        ("refund", PRICE, cancelled),
        ("charge", -PRICE, cancelled),
        ("charge", -PRICE, kept),
        ("promo", 20, None),
    ]
    assert {(each["userId"], each["status"]) for each in history} == {(str(user.id), "success")}
    assert [each["createdAt"] for each in history] == sorted(
        (each["createdAt"] for each in history), reverse=True
    )
    assert history[0]["meta"] == {"reason": "cancelled"}
    assert (history[-1]["meta"]["reason"], history[-1]["provider"]) == ("grant", "manual")
    assert sum(each["tokensDelta"] for each in history) == bot.balance(user.id)
    with unchanged():
        assert done(bot.get("/transactions", userId=user.id), 200) == history


def test_an_order_that_waits_moves_nothing(bot: Bot) -> None:
    user = make_user(PRICE - 1)
    job = bot.order(user.id, make_image().id)
    done(bot.post(f"/jobs/{job['id']}/cancel"), 200)
    (grant,) = done(bot.get("/transactions", userId=user.id), 200)
    assert grant["type"] == "promo"


def test_hundredths_of_a_token_are_exact(bot: Bot) -> None:
    user = make_user()
    for amount in ("0.1", "0.2", "0.01"):
        make_user(Decimal(amount), telegram_id=user.telegram_id)
    assert bot.balance(user.id) == 0.31
    history = done(bot.get("/transactions", userId=user.id), 200)
    assert [each["tokensDelta"] for each in history] == [0.01, 0.2, 0.1]


def test_an_unknown_user_has_no_history_and_a_new_one_an_empty_one(bot: Bot) -> None:
    newcomer = bot.register()
    with unchanged():
        assert done(bot.get("/transactions", userId=newcomer["id"]), 200) == []
        refused(bot.get("/transactions", userId=uuid4()), "user_not_found")
        assert "userId" in refused(bot.get("/transactions", userId="anna"), "bad_request")
        assert "userId" in refused(bot.get("/transactions"), "bad_request")
