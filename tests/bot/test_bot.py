"""What people can do with the bot, from their first message on; bot, server and worker are real."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from local.simulation import CHANNEL, REVIEWS
from tests.bot_world import SECONDS, World, bot_world
from tests.wire import wait_until

UUID = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with bot_world() as started:
        yield started


def test_from_a_photo_through_payment_to_a_playing_clip(world: World) -> None:
    anna = world.person()
    anna.send("tiny_portrait_150px.jpg")  # before anything else, and it is not forgotten
    anna.sees("согласие")
    anna.press("Согласен")
    anna.sees("Что сделать с этим фото?")
    anna.press("✨ Оживление · ")
    anna.sees("Не хватает: ")
    anna.press("199")
    anna.press("Карта или СБП")
    world.pay(anna.link("Оплатить"))
    anna.sees("Оплата получена")
    (clip,) = anna.gets("animation")
    assert clip["animation"]["width"] and clip["animation"]["duration"] == 4
    assert "Заказ №" in clip["caption"] and "МБ" in clip["caption"]
    done = anna.sees("готов ✅")
    anna.press("Прислать ещё раз", message_id=done["message_id"])
    anna.gets("animation", 2)
    anna.say("/history")
    assert "+20" in anna.sees("Движения токенов")["text"]


def test_what_is_seen_on_a_photo_is_told_before_it_is_paid_for(world: World) -> None:
    vera = world.person()
    vera.start()
    menus = itertools.count(1)

    def is_warned() -> bool:  # a busy server does not look, and offers the photo without
        vera.send("no_face_cup.jpg", kind="document")
        menu = vera.sees("Что сделать с этим фото?", next(menus))
        return menu["text"].startswith("⚠️ Лиц на фотографии не видно")

    wait_until(is_warned, SECONDS)


def test_a_decline_is_told_with_a_way_out(world: World) -> None:
    boris = world.person()
    boris.start()
    boris.say("/buy")
    boris.press("199")
    boris.press("Карта или СБП")
    assert "Проверяю" in boris.press("Я оплатил")
    boris.sees("Оплаты пока не видно")
    world.pay(boris.link("Оплатить"), "decline")
    boris.sees("Банк отклонил платёж")
    boris.sees("Оплата не прошла ❌")


def test_whoever_agrees_after_a_refusal_pays_with_the_same_button(world: World) -> None:
    person = world.person()
    person.say("/start")
    person.sees("согласие")
    person.say("/buy")
    person.press("199")
    person.press("Карта или СБП")
    person.sees("Сначала нужно ваше согласие")
    person.press("Согласен")
    person.sees("Пришлите фотографию")
    person.press("Карта или СБП")
    assert person.link("Оплатить")


def test_stars_are_paid_in_the_chat(world: World) -> None:
    vera = world.person()
    vera.start()
    vera.say("/buy")
    vera.press("199")
    vera.press("⭐")
    link = vera.link("Оплатить")
    assert world.control("POST", "/pay", link=link, user_id=vera.id)["status"] == "paid"
    vera.sees("Звёзды получены")
    vera.sees("Оплата получена")
    vera.say("/balance")
    vera.sees("На балансе 20 токенов")


def test_an_album_is_one_order_and_each_photo_has_its_result(world: World) -> None:
    anna = world.person()
    anna.start()
    world.supply(anna)
    anna.send(*["tiny_portrait_150px.jpg"] * 3, kind="document")
    anna.sees("Что сделать с этими фото (3)?")
    anna.press("✖️ 2")
    anna.sees("Что сделать с этими фото (2)?")
    anna.press("🖌 Реставрация · ")
    assert len(anna.gets("document", 2)) == 2
    assert len(anna.gets("photo", 2)) == 2
    anna.sees("готов ✅")


def test_an_order_is_cancelled_once_however_often_the_button_is_pressed(world: World) -> None:
    boris = world.person()
    boris.start()
    boris.send("portrait.heic", kind="document")
    menu = boris.sees("Что сделать с этим фото?")
    boris.press("🖌 Реставрация · ", message_id=menu["message_id"])
    boris.sees("нужно ")
    boris.press("Отменить")
    boris.sees("отменён")
    boris.say("/history")
    assert "пока нет" in boris.sees("Движения токенов")["text"]


def test_a_refused_choice_leaves_the_menu_to_another(world: World) -> None:
    """The refusal is kept with the key of the menu, which is no order for that."""
    vera = world.person()
    vera.start()
    vera.send("tiny_portrait_150px.jpg")
    menu = vera.sees("Что сделать с этим фото?")["message_id"]
    newest = "WHERE id = (SELECT id FROM data ORDER BY created_at DESC LIMIT 1)"
    world.execute(f"UPDATE data SET status = 'pending' {newest}")
    vera.press("🖌 Реставрация · ", message_id=menu)
    vera.sees("ещё раз")
    world.execute(f"UPDATE data SET status = 'confirmed' {newest}")
    vera.press("✨ Оживление · ", message_id=menu)
    vera.sees("Не хватает: ")


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("../../LICENSE", "document", "не похож на фотографию"),
        ("bad_html_named.jpg", "document", "не похож на фотографию"),
        ("bad_bomb_20000x20000.png", "document", "слишком много пикселей"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(
    world: World, name: str, kind: str, answer: str
) -> None:
    person = world.person()
    person.start()
    person.send(name, kind=kind)
    person.sees(answer)


def test_an_order_that_fails_is_told_and_costs_nothing(world: World) -> None:
    boris = world.person()
    boris.start()
    world.supply(boris)
    boris.send("bad_truncated.jpg", kind="document")
    boris.press("🖌 Реставрация · ")
    boris.sees("Файл повреждён", times=2)  # in the order's message, and as news
    boris.say("/balance")
    boris.sees("На балансе 20 токенов")


def test_every_command_answers(world: World) -> None:
    person = world.person()
    person.start()
    for command, answer in {
        "/help": "/paysupport",
        "/terms": "Условия",
        "/buy": "Сколько купить?",
        "/balance": "На балансе 0 токенов",
        "/history": "пока нет",
        "/bonus": f"@{CHANNEL['username']}",
        "/review": "Отзыва пока не вижу",
        "/review спасибо": "Это не ссылка",
        "/friends": "Ваша ссылка",
        "/lottery": "Сейчас розыгрыша нет",
        "/paysupport": "напишите одним сообщением",
        "/paysupport где мои токены": "Обращение принято",
        "/delete_me": "/delete_me да",
        "/unknown": "Пришлите фотографию",
        "Привет": "Пришлите фотографию",
    }.items():
        person.say(command)
        person.sees(answer)
    person.say("/delete_me да")
    person.sees("Согласие отозвано")
    person.send("portrait.jpg")
    person.sees("Сначала нужно ваше согласие")


def test_a_friend_a_subscription_and_a_review_bring_tokens(world: World) -> None:
    anna, boris = world.person(), world.person()
    anna.start()
    anna.say("/friends")
    code = anna.sees("Ваша ссылка")["text"].partition("start=")[2].split()[0]
    boris.say(f"/start {code}")
    boris.press("Согласен")
    anna.say("/friends")
    anna.sees("Пришли: 1")

    anna.say("/bonus")
    anna.press("Я подписался")
    anna.sees("Подписки пока не видно")
    world.control("POST", f"/users/{anna.id}/join", chat=f"@{CHANNEL['username']}")
    anna.press("Я подписался")
    anna.sees("Бонус за подписку на канал")

    chat = REVIEWS["id"]
    world.control(
        "POST", "/messages", chat_id=chat, user_id=anna.id, text="Мама плакала от радости"
    )
    anna.say("/review")
    anna.sees("Спасибо за отзыв!")
    anna.say("/review")
    anna.sees("Награда за него уже была")

    boris.say("/buy")
    boris.press("199")
    boris.press("Карта или СБП")
    world.pay(boris.link("Оплатить"))
    anna.sees("Ваш друг сделал первую покупку")


def test_buttons_of_another_time_say_so_and_pressed_twice_they_do_no_harm(world: World) -> None:
    person = world.person()
    person.start()
    person.say("/buy")
    person.press("· 199")  # of the tariff; those of the ways to pay have its price, too
    person.press("· 199")
    person.sees("Как заплатить?", times=2)
    # As an older version of the bot sent them; the second has lost its photo.
    for label, data in (("Забытая", "z:1"), ("Оживить", f"o:{UUID}"), ("Тариф", f"t:{UUID}")):
        markup = {"inline_keyboard": [[{"text": label, "callback_data": data}]]}
        world.as_bot("sendMessage", chat_id=person.id, text=label, reply_markup=markup)
    assert "больше не действует" in person.press("Забытая")
    person.press("Оживить")
    person.sees("больше не действует")
    person.press("Тариф")
    person.sees("Этого тарифа больше нет")


def test_whoever_blocks_the_bot_does_not_stop_it_for_others(world: World) -> None:
    boris, anna = world.person(), world.person()
    for person in (boris, anna):
        person.start()
        world.supply(person)
        person.send("tiny_portrait_150px.jpg")
        person.sees("Что сделать с этим фото?")
    boris.press("🖌 Реставрация · ")
    world.control("POST", f"/users/{boris.id}/block")
    anna.press("🖌 Реставрация · ")
    anna.gets("document")


def test_a_backend_that_is_away_is_told_and_comes_back(world: World) -> None:
    anna = world.person()
    anna.start()

    def meanwhile() -> None:
        anna.say("/balance")
        anna.sees("Сервис сейчас не отвечает")

    world.restart_server(meanwhile)
    anna.say("/balance")
    anna.sees("На балансе")


def test_limits_of_telegram_delay_but_lose_nothing(world: World) -> None:
    anna = world.person()
    anna.start()
    for method in ("sendMessage", "sendDocument", "editMessageText"):
        world.control("POST", "/faults", call=method, kind="status", status=429, retry_after=1)
    world.supply(anna)
    anna.send("tiny_portrait_150px.jpg")
    anna.press("🖌 Реставрация · ")
    anna.gets("document")
    anna.sees("готов ✅")
