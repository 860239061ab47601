"""Who may be written to, polling, limits, invoices and members, with python-telegram-bot."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import requests
import telegram
from telegram.error import Conflict, Forbidden, RetryAfter

from local.sandbox.telegram import TOKEN
from tests.bot_calls import ANNA, picture, refused, run, say, seen
from tests.telegram_world import CHANNEL, GROUP, World

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def test_a_bot_may_not_write_first_nor_to_who_has_blocked_it(world: World) -> None:
    world.control("PUT", "/users/555009", first_name="Вера")
    calls: list[Callable[[telegram.Bot], Awaitable[Any]]] = [
        lambda bot: bot.send_message(555009, "a"),
        lambda bot: bot.send_photo(555009, picture()),
        lambda bot: bot.send_chat_action(555009, "typing"),
    ]
    for call in calls:
        with pytest.raises(Forbidden, match="can't initiate conversation"):
            run(world, call)
    say(world, "/start", 555009)
    for call in calls:
        run(world, call)
    world.control("POST", "/users/555009/block")
    for call in calls:
        with pytest.raises(Forbidden, match="blocked by the user"):
            run(world, call)
    say(world, "/start", 555009)
    changes = [u.my_chat_member for u in run(world, lambda bot: bot.get_updates(timeout=30))]
    assert [m.new_chat_member.status for m in changes if m] == ["kicked", "member"]
    run(world, calls[0])
    refused(world, "Chat not found", lambda bot: bot.send_message(777, "a"))


def test_what_the_bot_does_is_seen(world: World) -> None:
    after = seen(world)["last"]
    answers: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(seen(world, after=after, wait=50)))
    waiting.start()
    assert run(world, lambda bot: bot.send_chat_action(ANNA, "upload_video"))
    waiting.join()
    assert [(e["kind"], e["action"]) for e in answers[0]["happened"]] == [
        ("action", "upload_video")
    ]
    refused(world, "Wrong parameter action", lambda bot: bot.send_chat_action(ANNA, "dancing"))


def test_a_second_poller_ends_the_first(world: World) -> None:
    failures: list[Exception] = []

    def poll() -> None:
        try:
            run(world, lambda bot: bot.get_updates(timeout=50))
        except Conflict as failure:
            failures.append(failure)

    before = requests.get(f"{world.url}/control/telegram/calls", timeout=20).json()
    first = threading.Thread(target=poll)
    first.start()
    while first.is_alive():  # the second may come before the first
        count = requests.get(f"{world.url}/control/telegram/calls", timeout=20).json()
        if count.get("getupdates", 0) > before.get("getupdates", 0):
            run(world, lambda bot: bot.get_updates(timeout=0))
    assert "terminated by other getUpdates" in str(failures[0])


def test_the_newest_updates_alone_are_kept_by_a_negative_offset(world: World) -> None:
    for text in ("раз", "два", "три"):
        say(world, text)
    got = run(world, lambda bot: bot.get_updates(offset=-2))
    assert [u.message.text for u in got] == ["два", "три"]


def test_limits_are_kept_once_they_are_asked_for(world: World) -> None:
    async def four(bot: telegram.Bot) -> None:
        for number in range(4):
            await bot.send_message(GROUP, f"{number}")

    run(world, four)
    limits = {"per_second": 1000, "per_chat_second": 1000, "per_group_minute": 3}
    world.control("PUT", "/limits", enabled=True, **limits)
    try:
        with pytest.raises(RetryAfter) as caught:
            run(world, four)
        assert "Retry in" in str(caught.value)
    finally:
        world.control("PUT", "/limits", enabled=False)


def test_an_invoice_in_the_chat_is_paid_or_declined(world: World) -> None:
    price = [telegram.LabeledPrice("Токены", 150)]
    sent = run(
        world, lambda bot: bot.send_invoice(ANNA, "20 токенов", "Пополнение", "8f0c", "XTR", price)
    )
    assert sent.invoice.total_amount == 150 and sent.reply_markup.inline_keyboard[0][0].pay
    before = run(world, lambda bot: bot.get_my_star_balance()).amount

    def pay(**more: Any) -> str:
        answers: list[dict[str, Any]] = []
        paying = threading.Thread(
            target=lambda: answers.append(
                world.control(
                    "POST",
                    "/pay",
                    chat_id=ANNA,
                    message_id=sent.message_id,
                    user_id=ANNA,
                    **more,
                )
            )
        )
        paying.start()

        async def confirm(bot: telegram.Bot) -> None:
            question = (await bot.get_updates(timeout=30))[-1]
            await bot.answer_pre_checkout_query(question.pre_checkout_query.id, ok=True)
            await bot.get_updates(offset=question.update_id + 1)

        run(world, confirm)
        paying.join()
        return str(answers[0]["status"])

    assert pay(decline=True) == "declined"
    assert run(world, lambda bot: bot.get_my_star_balance()).amount == before
    assert pay() == "paid"
    assert run(world, lambda bot: bot.get_my_star_balance()).amount == before + 150


def test_who_joins_is_told_to_a_bot_that_asked(world: World) -> None:
    kinds = ["message", "chat_member", "my_chat_member"]
    run(world, lambda bot: bot.get_updates(allowed_updates=kinds))
    try:
        world.control("POST", f"/users/{ANNA}/join", chat="@live_photo")
        change = run(world, lambda bot: bot.get_updates(timeout=30))[0].chat_member
        assert (change.chat.id, change.new_chat_member.status) == (CHANNEL, "member")
        world.control("POST", f"/users/{ANNA}/leave", chat=CHANNEL)
        assert run(world, lambda bot: bot.get_chat_member(CHANNEL, ANNA)).status == "left"
    finally:
        run(world, lambda bot: bot.get_updates(allowed_updates=[]))


def test_people_write_in_groups_and_change_what_they_wrote(world: World) -> None:
    written = say(world, "Отзыв", chat_id=GROUP)
    world.control(
        "POST",
        f"/users/{ANNA}/edit",
        chat_id=GROUP,
        message_id=written["message_id"],
        text="Отличный отзыв",
    )
    first, second = run(world, lambda bot: bot.get_updates(timeout=30))
    assert first.message.chat.id == GROUP and second.edited_message.text == "Отличный отзыв"


def test_a_bot_counts_members_and_names_administrators(world: World) -> None:
    for user, status in ((555101, "creator"), (555102, "member"), (555103, "left")):
        world.control("PUT", f"/chats/{CHANNEL}/members/{user}", status=status)
    before = run(world, lambda bot: bot.get_chat_member_count(CHANNEL))
    world.control("PUT", f"/chats/{CHANNEL}/members/555102", status="left")
    assert run(world, lambda bot: bot.get_chat_member_count(CHANNEL)) == before - 1
    named = run(world, lambda bot: bot.get_chat_administrators(CHANNEL))
    assert 555101 in [each.user.id for each in named] and named[0].status == "creator"
    assert run(world, lambda bot: bot.get_chat_member_count(ANNA)) == 2
    refused(world, "no administrators", lambda bot: bot.get_chat_administrators(ANNA))


def test_a_bot_pins_and_reacts(world: World) -> None:
    written = say(world, "Отзыв")["message_id"]
    assert run(world, lambda bot: bot.pin_chat_message(ANNA, written))
    assert seen(world)["messages"][-1]["pinned_message"]["text"] == "Отзыв"
    assert run(world, lambda bot: bot.get_chat(ANNA)).pinned_message.text == "Отзыв"
    assert run(world, lambda bot: bot.unpin_chat_message(ANNA))
    assert run(world, lambda bot: bot.get_chat(ANNA)).pinned_message is None
    refused(world, "unpin not found", lambda bot: bot.unpin_chat_message(ANNA))
    refused(world, "pin not found", lambda bot: bot.pin_chat_message(ANNA, 9))
    after = seen(world)["last"]
    assert run(world, lambda bot: bot.set_message_reaction(ANNA, written, "❤"))
    assert seen(world, after=after)["happened"][-1]["reaction"] == ["❤"]
    refused(world, "REACTION_INVALID", lambda bot: bot.set_message_reaction(ANNA, written, "🧨"))


def test_a_method_that_the_sandbox_lacks_says_so(world: World) -> None:
    refused(world, 'no method "senddice"', lambda bot: bot.send_dice(ANNA))


def test_every_encoding_carries_the_same_call(world: World) -> None:
    url, fields = f"{world.api}/bot{TOKEN}/sendMessage", {"chat_id": str(ANNA), "text": "раз"}
    for how in (
        {"params": fields},
        {"data": fields},
        {"json": fields},
        {"data": fields, "files": {"unused": b"a"}},
    ):
        answer = requests.post(url, timeout=20, **how)
        assert answer.json()["result"]["text"] == "раз"
    attached = {"chat_id": ANNA, "photo": "attach://мой файл"}
    answer = requests.post(
        f"{world.api}/bot{TOKEN}/sendPhoto",
        data=attached,
        files={"мой файл": ("a.jpg", picture())},
        timeout=20,
    )
    assert answer.json()["result"]["photo"][-1]["width"] == 1280
