"""Tags Support and Config, and addresses for receipts: what a bot needs to sell decently."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update

from db import transaction
from db.models import SupportRequest
from db.types import now
from services import support
from tests.command_line import command_line, complain, say
from tests.factories import make_job, make_user
from tests.flows.conftest import CHANNEL, REVIEW_CHAT
from tests.live import Bot, done, refused, unchanged
from tests.provider_world import ProviderWorld
from tests.threads import at_once

PATH = "/support/requests"


def ask(user: Any, **more: Any) -> dict[str, Any]:
    return {"userId": str(user.id), "topic": "help", "message": "Не пришло видео"} | more


def test_a_request_is_written_down_and_the_operator_sees_it(bot: Bot) -> None:
    user = make_user(100, username="anna_s")
    job = make_job(user.id)
    words = "Где видео?\n\x1b[2J\x1b[31m Вернуть 🙏"
    wish = ask(user, message=words, jobId=str(job.id), clientRef="7:8")
    key = uuid4().hex
    made = done(bot.post(PATH, wish, key=key), 201)
    assert (made["status"], made["message"], made["jobId"]) == ("open", words, str(job.id))
    assert done(bot.post(PATH, wish, key=key), 201) == made
    with command_line() as cli:
        listed = say(cli, "support", "list")
        (line,) = (each for each in listed.splitlines() if each.startswith(f"{made['number']} "))
        assert "anna_s" in line and user.telegram_id in line and str(job.id) in line
        assert "\x1b" not in listed and "Где видео?" in line
        close = "support", "close", str(made["number"]), "--answer"
        assert say(cli, *close, "Отправила ещё раз") == "closed"
        assert say(cli, *close, "Ещё") == "it had been closed before"
        assert "Где видео?" not in say(cli, "support", "list")
        assert "Где видео?" in say(cli, "support", "list", "--status", "closed")
        assert complain(cli, *close[:2], "999999", "--answer", "?") == "there is no such request"


def test_a_request_is_about_one_s_own_payment_and_order(till: ProviderWorld) -> None:
    anna, boris = till.customer(), till.customer()
    intent = till.intent(anna, "yookassa")
    job = make_job(UUID(anna["id"]))
    base = {"topic": "refund", "message": "Верните"}
    with unchanged():
        for more, code in (
            ({"userId": boris["id"], "paymentId": intent["id"]}, "payment_not_found"),
            ({"userId": boris["id"], "jobId": str(job.id)}, "job_not_found"),
            ({"userId": anna["id"], "jobId": str(uuid4())}, "job_not_found"),
            ({"userId": str(uuid4())}, "user_not_found"),
        ):
            refused(till.bot.post(PATH, base | more), code)
    mine = base | {"userId": anna["id"], "paymentId": intent["id"], "jobId": str(job.id)}
    assert done(till.bot.post(PATH, mine), 201)["paymentId"] == intent["id"]


def test_five_requests_a_day_are_enough(bot: Bot) -> None:
    user = make_user()
    answers = at_once(lambda: bot.post(PATH, ask(user)), 8)
    assert sorted(each.status_code for each in answers) == [201] * 5 + [429] * 3
    late = next(each for each in answers if each.status_code == 429)
    assert refused(late, "rate_limited") == {}
    assert 86_000 < int(late.headers["Retry-After"]) <= 86_400
    done(bot.post(PATH, ask(make_user())), 201)
    with transaction() as session:
        oldest = update(SupportRequest).where(SupportRequest.user_id == user.id)
        session.execute(oldest.values(created_at=now() - support.DAY))
    done(bot.post(PATH, ask(user)), 201)


def test_receipts_go_to_the_customer_who_gave_an_address(bot: Bot) -> None:
    user = make_user()
    path = f"/users/{user.id}/email"
    assert done(bot.patch(path, {"email": "anna@example.ru"}), 200)["email"] == "anna@example.ru"
    assert done(bot.get(f"/users/{user.id}"), 200)["email"] == "anna@example.ru"
    with unchanged():
        for wrong in ("anna", "anna@localhost", "a@b.ru\r\nBcc: c@d.ru", "анна@example.ru"):
            assert "email" in refused(bot.patch(path, {"email": wrong}), "bad_request")
        refused(bot.patch(f"/users/{uuid4()}/email", {"email": ""}), "user_not_found")
    assert "email" not in done(bot.patch(path, {"email": ""}), 200)


def test_a_payment_keeps_the_address_it_was_opened_with(till: ProviderWorld) -> None:
    user = till.customer()
    path = f"/users/{user['id']}/email"
    done(till.bot.patch(path, {"email": "first@example.ru"}), 200)
    intent = till.intent(user, "yookassa")
    done(till.bot.patch(path, {"email": "second@example.ru"}), 200)
    assert till.payment(intent).receipt_email == "first@example.ru"


def test_the_bot_learns_what_is_set(till: ProviderWorld, bot: Bot, other_bot: Bot) -> None:
    selling, rewarding = done(till.bot.get("/config"), 200), done(other_bot.get("/config"), 200)
    assert selling["payments"] == {
        "providers": ["yookassa", "stripe", "telegram"],
        "defaultProvider": "yookassa",
        "tokenPriceRub": 10,
        "minRub": 50,
        "maxRub": 100000,
        "stars": True,
    }
    assert rewarding["bonuses"]["channels"] == [CHANNEL]
    assert rewarding["bonuses"]["channelTokens"] == 5
    assert rewarding["reviews"] == {"chat": str(REVIEW_CHAT), "minLength": 10}
    assert rewarding["consent"] == {"required": True, "version": "2026-11"}
    bare = done(bot.get("/config"), 200)
    assert bare["payments"]["providers"] == [] and "defaultProvider" not in bare["payments"]
    assert bare["consent"] == {"required": False} and "reviews" not in bare
    assert bare["limits"]["imageBytes"] == 20 * 1024 * 1024
    assert bare["lifetimes"]["waitingJobHours"] == 72
    kept = [bare["lifetimes"][f"{what}Hours"] for what in ("data", "result", "unusedUpload")]
    assert kept == [0, 0, 168]


def test_whoever_agrees_agrees_to_the_text_of_today(bot: Bot, other_bot: Bot) -> None:
    user = make_user()
    path = f"/users/{user.id}/consent"
    agreed = done(other_bot.patch(path, {"consentPd": True}), 200)
    assert agreed["consentVersion"] == "2026-11"
    assert "consentVersion" not in done(other_bot.patch(path, {"consentPd": False}), 200)
    assert "consentVersion" not in done(bot.patch(path, {"consentPd": True}), 200)
