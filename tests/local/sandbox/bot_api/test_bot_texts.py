"""Texts, edits and buttons in the sandbox: python-telegram-bot cannot tell it from Telegram."""

from __future__ import annotations

from typing import Any

import pytest
import telegram
from telegram.constants import ParseMode

from tests.bot_calls import ANNA, MARKUP, button, refused, run, say, seen
from tests.telegram_world import World

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def test_a_command_and_what_else_is_apparent_in_a_text_comes_as_entities(world: World) -> None:
    say(world, "/start@sandbox_bot A1B2 👍 https://example.org/a?b=1. #фото @anna_s a@b.ru")
    message = run(world, lambda bot: bot.get_updates(timeout=30))[0].message
    assert [message.parse_entity(each) for each in message.entities] == [
        *("/start@sandbox_bot", "https://example.org/a?b=1", "#фото", "@anna_s", "a@b.ru")
    ]
    assert [each.type for each in message.entities] == [
        *("bot_command", "url", "hashtag", "mention", "email")
    ]
    assert message.chat.type == "private" and message.from_user.id == ANNA


def test_html_and_markdown_become_text_with_entities(world: World) -> None:
    html = run(
        world,
        lambda bot: bot.send_message(
            ANNA,
            '  <b>Оживи <i>фото</i></b> &lt;3 👍 <a href="https://a.ru">тут</a>'
            '<pre><code class="language-py">x = 1</code></pre> ',
            parse_mode=ParseMode.HTML,
        ),
    )
    assert html.text == "Оживи фото <3 👍 тутx = 1"
    assert {(e.type, html.parse_entity(e)) for e in html.entities} == {
        ("bold", "Оживи фото"),
        ("italic", "фото"),
        ("text_link", "тут"),
        ("pre", "x = 1"),
    }
    marked = run(
        world,
        lambda bot: bot.send_message(
            ANNA,
            "*Цена: 10\\.* _раз_ __два__ ~три~ ||четыре|| `a*b` [тут](https://a.ru)\n>цитата\n>вторая",
            parse_mode=ParseMode.MARKDOWN_V2,
        ),
    )
    assert marked.text == "Цена: 10. раз два три четыре a*b тут\nцитата\nвторая"
    assert [e.type for e in marked.entities] == [
        *("bold", "italic", "underline", "strikethrough", "spoiler", "code", "text_link"),
        "blockquote",
    ]
    assert marked.parse_entity(marked.entities[-1]) == "цитата\nвторая"


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("<b>a", "HTML", 'Can\'t find end tag corresponding to start tag "b"'),
        ("я<u>a</b>", "HTML", 'Unmatched end tag at byte offset 6, expected "</u>", found "</b>"'),
        ("a</b>", "HTML", "Unexpected end tag at byte offset 1"),
        ("<table>", "HTML", 'Unsupported start tag "table" at byte offset 0'),
        ("3 < 4", "HTML", "Unclosed start tag at byte offset 2"),
        ("10.5", "MarkdownV2", "Character '.' is reserved and must be escaped"),
        ("я*a", "MarkdownV2", "Can't find end of Bold entity at byte offset 2"),
        ("a *b", "Markdown", "Can't find end of the entity starting at byte offset 2"),
        ("a", "BBCode", "Unsupported parse_mode"),
        ("<b> </b>", "HTML", "Message text is empty"),
        ("я" * 4097, None, "Message is too long"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_in_the_servers_words(
    world: World, text: str, mode: str | None, why: str
) -> None:
    refused(world, why, lambda bot: bot.send_message(ANNA, text, parse_mode=mode))


def test_a_message_is_edited_and_an_edit_of_nothing_is_refused(world: World) -> None:
    sent = run(world, lambda bot: bot.send_message(ANNA, "10 %", reply_markup=button("Стоп", "s")))
    assert sent.reply_markup.inline_keyboard[0][0].callback_data == "s"
    same: dict[str, Any] = {
        "chat_id": ANNA,
        "message_id": sent.message_id,
        "reply_markup": button("Стоп", "s"),
    }
    edited = run(world, lambda bot: bot.edit_message_text("20 %", **same))
    assert edited.text == "20 %" and edited.edit_date and edited.reply_markup == sent.reply_markup
    refused(world, "Message is not modified", lambda bot: bot.edit_message_text("20 %", **same))
    bare = run(world, lambda bot: bot.edit_message_text("20 %", ANNA, sent.message_id))
    assert bare.reply_markup is None
    back = run(
        world,
        lambda bot: bot.edit_message_reply_markup(
            ANNA, sent.message_id, reply_markup=button("Ещё", "m")
        ),
    )
    assert back.reply_markup.inline_keyboard[0][0].text == "Ещё"
    refused(world, "Message to edit not found", lambda bot: bot.edit_message_text("a", ANNA, 9))
    own = say(world, "моё")["message_id"]
    refused(world, "Message can't be edited", lambda bot: bot.edit_message_text("a", ANNA, own))
    assert run(world, lambda bot: bot.delete_messages(ANNA, [sent.message_id, own, 9]))
    refused(world, "to delete not found", lambda bot: bot.delete_message(ANNA, own))


def test_a_reply_shows_what_it_answers(world: World) -> None:
    asked = say(world, "Сколько?")["message_id"]
    reply = run(
        world,
        lambda bot: bot.send_message(
            ANNA,
            "10 токенов",
            reply_parameters=telegram.ReplyParameters(asked),
            link_preview_options=telegram.LinkPreviewOptions(is_disabled=True),
        ),
    )
    assert reply.reply_to_message.text == "Сколько?" and reply.link_preview_options.is_disabled
    lost = telegram.ReplyParameters(9)
    refused(
        world,
        "Message to be replied not found",
        lambda bot: bot.send_message(ANNA, "a", reply_parameters=lost),
    )
    lost = telegram.ReplyParameters(9, allow_sending_without_reply=True)
    assert run(world, lambda bot: bot.send_message(ANNA, "a", reply_parameters=lost))


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        (button("Да", "я" * 33), "Button_data_invalid"),
        (button(" ", "a"), "must be non-empty"),
        (MARKUP([[telegram.InlineKeyboardButton("a", url="просто")]]), "Wrong HTTP URL"),
        ({"inline_keyboard": [[{"text": "a"}]]}, "Text buttons are unallowed"),
        ({"inline_keyboard": [{"text": "a"}]}, "array of arrays"),
    ],
)
def test_a_keyboard_that_telegram_would_not_show_is_refused(
    world: World, markup: Any, why: str
) -> None:
    refused(world, why, lambda bot: bot.send_message(ANNA, "a", reply_markup=markup))


def test_a_pressed_button_is_answered_once(world: World) -> None:
    sent = run(world, lambda bot: bot.send_message(ANNA, "Ну?", reply_markup=button("Да", "y:1")))
    after = seen(world)["last"]
    pressed = world.control("POST", f"/users/{ANNA}/press", label="Да")
    query = run(world, lambda bot: bot.get_updates(timeout=30))[0].callback_query
    assert (query.id, query.data, query.from_user.id) == (pressed["query_id"], "y:1", ANNA)
    assert query.message == sent
    refused(
        world, "long", lambda bot: bot.answer_callback_query(query.id, "я" * 201, show_alert=True)
    )
    assert run(world, lambda bot: bot.answer_callback_query(query.id, "Готово", show_alert=True))
    refused(world, "Query is too old", lambda bot: bot.answer_callback_query(query.id))
    answer = seen(world, after=after)["happened"][-1]
    assert (answer["kind"], answer["text"], answer["alert"]) == ("answer", "Готово", True)


def test_commands_and_descriptions_are_kept_by_scope_and_language(world: World) -> None:
    async def story(bot: telegram.Bot) -> None:
        await bot.set_my_commands([("start", "Начать"), ("balance", "Баланс")])
        await bot.set_my_commands([("help", "Help")], language_code="en")
        assert [c.command for c in await bot.get_my_commands()] == ["start", "balance"]
        assert [c.command for c in await bot.get_my_commands(language_code="en")] == ["help"]
        await bot.delete_my_commands(language_code="en")
        assert await bot.get_my_commands(language_code="en") == ()
        await bot.set_my_description("Оживляет фотографии")
        await bot.set_my_short_description("Оживи фото")
        assert (await bot.get_my_description()).description == "Оживляет фотографии"
        assert (await bot.get_my_short_description()).short_description == "Оживи фото"
        await bot.set_chat_menu_button(menu_button=telegram.MenuButtonCommands())
        assert (await bot.get_chat_menu_button()).type == "commands"

    run(world, story)
    refused(world, "Bot_command_invalid", lambda bot: bot.set_my_commands([("Плохо", "a")]))
