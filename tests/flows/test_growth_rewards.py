"""Invited friends who pay in Telegram, and a lottery from its first moment to its proof."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from db import snapshot, transaction
from db.models import Lottery, Transaction
from db.rows import LotteryRow
from db.types import now
from services import grants, ledger, lotteries
from services.lotteries import Prize
from tests.growth_world import REFERRAL_BONUS, REFERRAL_PERCENT, Growth
from tests.live import done, refused, unchanged
from tests.threads import at_once
from tests.wire import ROOT, wait_until

RUB, TOKENS = 200, 20  # at 10 rubles each
REWARD = REFERRAL_BONUS + TOKENS * REFERRAL_PERCENT // 100
SUBMIT, ME = "/lotteries/entries/submit-social", "/lotteries/entries/me"


@pytest.fixture
def till(growth: Growth) -> Iterator[Growth]:
    """Payments in Telegram reach the server; whatever happens, the books stay consistent."""
    with growth.updates_posted():
        yield growth
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def paid(till: Growth, user: dict[str, Any]) -> str:
    """Pay as the user and wait for the tokens; the charge."""
    before = till.bot.balance(user["id"])
    charge = till.pay(user, RUB)
    wait_until(lambda: till.bot.balance(user["id"]) == before + TOKENS)
    return charge


def stats(growth: Growth, user: dict[str, Any]) -> tuple[int, int, float]:
    answer = done(growth.bot.get("/referrals/stats", userId=user["id"]), 200)
    return answer["totalInvited"], answer["invitedPaidCount"], answer["refEarned"]


def history(growth: Growth, user: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    rows = done(growth.bot.get("/referrals/history", userId=user["id"]), 200)
    return [(row["inviteeId"], row["inviteePaid"], row["rewardGiven"]) for row in rows]


def test_a_friend_who_pays_brings_the_inviter_one_reward(till: Growth) -> None:
    inviter = till.visitor()
    link = done(till.bot.get("/referrals/link", userId=inviter["id"]), 200)["refLink"]
    friend, idler = (till.visitor(refCode=link.partition("?start=")[2]) for _ in range(2))
    assert stats(till, inviter) == (2, 0, 0)
    paid(till, friend)
    assert stats(till, inviter) == (2, 1, REWARD)
    assert history(till, inviter) == [(idler["id"], False, False), (friend["id"], True, True)]
    (promo,) = done(till.bot.get("/transactions", userId=inviter["id"]), 200)
    assert (promo["type"], promo["tokensDelta"]) == ("promo", REWARD)
    assert promo["meta"]["reason"] == "referral"
    paid(till, friend)
    assert (stats(till, inviter), till.bot.balance(inviter["id"])) == ((2, 1, REWARD), REWARD)


def test_what_telegram_tells_twice_at_once_is_rewarded_once(till: Growth) -> None:
    inviter = till.visitor()
    friend = till.visitor(refCode=inviter["refCode"])
    paid(till, friend)
    updates = till.world.control("GET", "/updates")["history"]
    update = next(each for each in reversed(updates) if "successful_payment" in str(each))
    with unchanged():
        assert {answer.status_code for answer in at_once(lambda: till.forward(update), 6)} == {200}
    assert till.bot.balance(inviter["id"]) == REWARD


def test_friends_who_pay_at_once_are_all_rewarded(till: Growth) -> None:
    inviter = till.visitor()
    friends = [till.visitor(refCode=inviter["refCode"]) for _ in range(5)]
    left = list(friends)
    charges = at_once(lambda: till.pay(left.pop(), RUB), len(friends))
    assert all(isinstance(charge, str) for charge in charges), charges
    wait_until(lambda: till.bot.balance(inviter["id"]) == REWARD * len(friends))
    assert stats(till, inviter) == (5, 5, REWARD * 5)


def test_a_full_refund_takes_the_reward_back_once(till: Growth) -> None:
    inviter = till.visitor()
    friend = till.visitor(refCode=inviter["refCode"])
    refund(till, friend, paid(till, friend))
    assert stats(till, inviter) == (1, 1, 0)
    assert history(till, inviter) == [(friend["id"], True, False)]
    assert till.bot.balance(inviter["id"]) == 0


def test_the_reward_is_there_exactly_while_the_friend_has_paid(till: Growth) -> None:
    inviter = till.visitor()
    friend = till.visitor(refCode=inviter["refCode"])
    first, second = paid(till, friend), paid(till, friend)
    refund(till, friend, first)
    assert (stats(till, inviter), till.bot.balance(inviter["id"])) == ((1, 1, REWARD), REWARD)
    assert history(till, inviter) == [(friend["id"], True, True)]
    refund(till, friend, second)
    assert (stats(till, inviter), till.bot.balance(inviter["id"])) == ((1, 1, 0), 0)
    paid(till, friend)
    assert (stats(till, inviter), till.bot.balance(inviter["id"])) == ((1, 1, REWARD), REWARD)
    assert history(till, inviter) == [(friend["id"], True, True)]
    rows = done(till.bot.get("/transactions", userId=inviter["id"]), 200)
    moves = [(row["tokensDelta"], row["meta"]["reason"]) for row in rows]
    assert moves == [(REWARD, "referral"), (-REWARD, "referral_returned"), (REWARD, "referral")]


def test_a_reward_that_is_spent_is_not_taken_below_zero(till: Growth) -> None:
    inviter = till.visitor()
    friend = till.visitor(refCode=inviter["refCode"])
    charge = paid(till, friend)
    with transaction() as session:
        grants.withdraw(session, UUID(inviter["id"]), Decimal(4), key="spent", reason="test")
    refund(till, friend, charge)
    assert till.bot.balance(inviter["id"]) == 0
    newest = done(till.bot.get("/transactions", userId=inviter["id"]), 200)[0]
    assert newest["meta"]["reason"] == "referral_returned"
    assert Decimal(newest["meta"]["shortfallTokens"]) == 4


def refund(till: Growth, user: dict[str, Any], charge: str) -> None:
    """Refund all Stars of a charge."""
    before = till.bot.balance(user["id"])
    payer = {"user_id": int(user["telegramId"]), "telegram_payment_charge_id": charge}
    assert till.world.call_bot("refundStarPayment", **payer) is True
    wait_until(lambda: till.bot.balance(user["id"]) == before - TOKENS)


def test_nobody_is_invited_by_themselves_or_later_or_in_a_circle(till: Growth) -> None:
    inviter = till.visitor()
    friend = till.visitor(refCode=inviter["refCode"])
    for guest, host in ((inviter, inviter), (inviter, friend), (friend, friend)):
        known = {"telegramId": guest["telegramId"], "refCode": host["refCode"]}
        again = done(till.bot.post("/users/register-or-login", known), 200)
        assert again.get("referrerId") == guest.get("referrerId")
    paid(till, inviter)
    assert (stats(till, inviter), stats(till, friend)) == ((1, 0, 0), (0, 0, 0))


@pytest.fixture
def soon(growth: Growth) -> LotteryRow:
    """A lottery that starts in an hour."""
    with transaction() as session:
        return lotteries.create(
            session,
            title="Осенний розыгрыш",
            description="Публикуйте работы и зовите друзей",
            start_date=now() + timedelta(hours=1),
            end_date=now() + timedelta(hours=2),
            prizes=[Prize("50 токенов", 1, Decimal("50.5")), Prize("Фотокнига", 2, Decimal(0))],
        )


def move(lottery: LotteryRow, **moments: datetime) -> None:
    """Let time pass: the lottery has its start or end at another moment."""
    with transaction() as session:
        session.execute(update(Lottery).where(Lottery.id == lottery.id).values(**moments))


def test_a_lottery_is_drawn_in_time_once_and_provably(growth: Growth, soon: LotteryRow) -> None:
    bot, people = growth.bot, [growth.visitor() for _ in range(4)]
    refuse_all(growth, people[0])
    growth.visitor(refCode=people[0]["refCode"])  # too early to count

    move(soon, start_date=now())
    shown = done(bot.get("/lotteries/current"), 200)
    assert shown["id"] == str(soon.id) and not shown.keys() & {"seed", "winners", "drawnAt"}
    entries = {submit(growth, user)["id"]: user for user in people}
    growth.visitor(refCode=people[1]["refCode"])
    counts = [done(bot.get(ME, userId=user["id"]), 200)["referralCount"] for user in people]
    assert counts == [0, 1, 0, 0]

    move(soon, end_date=now())
    refuse_all(growth, people[0])
    assert not listed(growth, soon).keys() & {"seed", "winners", "drawnAt"}
    with growth.worker(), growth.worker():
        wait_until(lambda: "winners" in listed(growth, soon), 30)

    drawn = listed(growth, soon)
    assert drawn["seedHash"] == shown["seedHash"]
    won = drawn["winners"]
    assert [(each["place"], each["prize"]) for each in won] == [
        (1, "50 токенов"),
        (2, "Фотокнига"),
        (3, "Фотокнига"),
    ]
    first, *_, without = [entries.pop(each["entryId"]) for each in won] + list(entries.values())
    assert (bot.balance(first["id"]), bot.balance(without["id"])) == (50.5, 0)
    with snapshot() as session:
        key = Transaction.bonus_key.startswith(f"lottery:{soon.id}")
        assert session.scalar(select(func.count()).where(key)) == 1

    pages = bot.get("/lotteries/history").text + bot.get("/lotteries/current").text
    people_say = growth.private | {user["id"] for user in people}
    assert [each for each in people_say if each in pages] == []
    assert recomputed(growth, soon) == [f"{each['place']} {each['entryId']}" for each in won]


def refuse_all(growth: Growth, user: dict[str, Any]) -> None:
    """No lottery runs."""
    wish = {"userId": user["id"], "socialLinks": ["https://vk.com/wall-1_1"]}
    with unchanged():
        refused(growth.bot.get("/lotteries/current"), "no_current_lottery")
        refused(growth.bot.get(ME, userId=user["id"]), "no_current_lottery")
        refused(growth.bot.post(SUBMIT, wish), "no_current_lottery")


def submit(growth: Growth, user: dict[str, Any]) -> Any:
    """Enter the lottery as the user."""
    link = f"https://vk.com/wall-{user['telegramId']}_1"
    growth.private.add(link)
    return done(growth.bot.post(SUBMIT, {"userId": user["id"], "socialLinks": [link]}), 200)


def listed(growth: Growth, lottery: LotteryRow) -> dict[str, Any]:
    """The lottery as shown to everybody."""
    rows = done(growth.bot.get("/lotteries/history"), 200)
    found: dict[str, Any] = next(row for row in rows if row["id"] == str(lottery.id))
    return found


def recomputed(growth: Growth, lottery: LotteryRow) -> list[str]:
    """Winners computed independently from the published proof."""
    code, proof, complaint = growth.cli("lottery", "entries", str(lottery.id))
    assert (code, complaint) == (0, "") and json.loads(proof)["places"] == 3
    path = growth.folder / "proof.json"
    path.write_text(proof, "utf-8")
    script = [sys.executable, "-I", str(ROOT / "docs/verify_lottery.py"), str(path)]
    return subprocess.check_output(script, text=True, timeout=30).splitlines()
