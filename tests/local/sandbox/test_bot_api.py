"""The Bot API that a whole bot needs: python-telegram-bot cannot tell it from Telegram."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
import requests
import telegram
from PIL import Image
from telegram.constants import ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, RetryAfter
from telegram.request import HTTPXRequest

from local.sandbox.telegram import TOKEN
from tests.telegram_world import CHANNEL, GROUP, PAYER, World, telegram_world

T = TypeVar("T")

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

ANNA, BORIS = PAYER, 555002
MARKUP = telegram.InlineKeyboardMarkup


def button(label: str, data: str) -> MARKUP:
    return MARKUP([[telegram.InlineKeyboardButton(label, callback_data=data)]])


def run(world: World, call: Callable[[telegram.Bot], Awaitable[T]]) -> T:
    """Drive the sandbox with a python-telegram-bot Bot of its own."""

    async def session() -> T:
        one, other = (
            HTTPXRequest(read_timeout=60, connect_timeout=60, httpx_kwargs={"verify": False})
            for _ in range(2)
        )
        async with telegram.Bot(
            TOKEN,
            f"{world.api}/bot",
            base_file_url=f"{world.api}/file/bot",
            request=one,
            get_updates_request=other,
        ) as bot:
            return await call(bot)

    return asyncio.run(session())


def refused(world: World, text: str, call: Callable[[telegram.Bot], Awaitable[Any]]) -> None:
    with pytest.raises(BadRequest) as refusal:
        run(world, call)
    # python-telegram-bot puts words of its own before some, and a capital before all.
    assert text.lower() in str(refusal.value).lower()


def say(world: World, text: str, user: int = ANNA, **more: Any) -> dict[str, Any]:
    return world.control("POST", f"/users/{user}/say", text=text, **more)


def send_file(world: World, content: bytes, name: str, **form: Any) -> list[dict[str, Any]]:
    answer = requests.post(
        f"{world.url}/control/telegram/users/{ANNA}/say",
        files={"file": (name, content)},
        data=form,
        timeout=20,
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def picture(width: int = 1600, height: int = 1200, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def seen(world: World, chat: int = ANNA, **query: Any) -> dict[str, Any]:
    answer = requests.get(
        f"{world.url}/control/telegram/chats/{chat}/messages", params=query, timeout=60
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all: each test has people or messages of its own to look at."""
    with telegram_world() as opened:
        say(opened, "/start")
        yield opened


@pytest.fixture(autouse=True)
def _nothing_pending(world: World) -> None:
    requests.post(
        f"{world.api}/bot{TOKEN}/deleteWebhook", json={"drop_pending_updates": True}, timeout=20
    ).raise_for_status()


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
    told = run(
        world,
        lambda bot: bot.send_message(
            ANNA,
            "10 токенов",
            reply_parameters=telegram.ReplyParameters(asked),
            link_preview_options=telegram.LinkPreviewOptions(is_disabled=True),
        ),
    )
    assert told.reply_to_message.text == "Сколько?" and told.link_preview_options.is_disabled
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
    told = seen(world, after=after)["happened"][-1]
    assert (told["kind"], told["text"], told["alert"]) == ("answer", "Готово", True)


def test_a_photo_comes_in_sizes_without_its_exif(world: World) -> None:
    send_file(world, picture(), "babushka.jpg", caption="/restore пожалуйста")
    message = run(world, lambda bot: bot.get_updates(timeout=30))[0].message
    assert [max(size.width, size.height) for size in message.photo] == [90, 320, 800, 1280]
    assert message.caption_entities[0].type == "bot_command"

    async def download(bot: telegram.Bot) -> bytes:
        found = await bot.get_file(message.photo[-1].file_id)
        return bytes(await found.download_as_bytearray())

    content = run(world, download)
    with Image.open(io.BytesIO(content)) as got:
        assert (got.format, got.size) == ("JPEG", (1280, 960))
    assert len(content) == message.photo[-1].file_size


def test_a_file_comes_whole_with_name_type_and_thumbnail(world: World) -> None:
    content = picture(200, 100, "PNG")
    send_file(world, content, "старое.png", kind="document")
    document: Any = run(world, lambda bot: bot.get_updates(timeout=30))[0].message.document
    assert (document.file_name, document.mime_type) == ("старое.png", "image/png")
    assert document.thumbnail.width == 200

    async def download(bot: telegram.Bot) -> bytes:
        return bytes(await (await bot.get_file(document)).download_as_bytearray())

    assert run(world, download) == content
    send_file(world, bytes(20_000_001), "large.jpg", kind="document")
    large: Any = run(world, lambda bot: bot.get_updates(timeout=30))[-1].message.document
    refused(world, "File is too big", lambda bot: bot.get_file(large))


def test_an_album_is_single_messages_with_one_group(world: World) -> None:
    answer = requests.post(
        f"{world.url}/control/telegram/users/{ANNA}/say",
        files=[("file", (f"{n}.jpg", picture(100 + n, 90))) for n in range(3)],
        timeout=20,
    )
    got = [u.message for u in run(world, lambda bot: bot.get_updates(timeout=30))]
    assert [m.message_id for m in got] == [m["message_id"] for m in answer.json()]
    assert len({m.media_group_id for m in got}) == 1 and got[0].media_group_id


def test_files_go_up_in_every_kind_and_again_by_their_id(world: World) -> None:
    async def story(bot: telegram.Bot) -> None:
        photo = await bot.send_photo(ANNA, picture(), caption="<b>Вот</b>", parse_mode="HTML")
        assert photo.photo[-1].width == 1280 and photo.caption_entities[0].type == "bold"
        clip: Any = await bot.send_animation(
            ANNA, b"clip", width=480, height=360, duration=4, thumbnail=picture(), filename="a.mp4"
        )
        assert (clip.animation.width, clip.animation.duration) == (480, 4)
        assert clip.document.file_id == clip.animation.file_id
        assert clip.animation.thumbnail.width == 320
        video = await bot.send_video(ANNA, b"video", filename="v.mp4", supports_streaming=True)
        assert video.video.mime_type == "video/mp4"
        paper = await bot.send_document(ANNA, picture(), filename="печать.jpg")
        assert paper.document.file_name == "печать.jpg"
        for again, kind in (
            (await bot.send_photo(ANNA, photo.photo[-1]), "photo"),
            (await bot.send_animation(ANNA, clip.animation), "animation"),
            (await bot.send_document(ANNA, paper.document.file_id), "document"),
        ):
            assert again.effective_attachment and getattr(again, kind)
        assert again.document.file_id == paper.document.file_id
        copied = await bot.copy_message(BORIS, ANNA, photo.message_id, caption="Себе")
        assert seen(world, BORIS)["messages"][-1]["caption"] == "Себе"
        assert copied.message_id == seen(world, BORIS)["messages"][-1]["message_id"]
        other = telegram.InputMediaPhoto(picture(90, 80), caption="Новое")
        edited = await bot.edit_message_media(other, ANNA, photo.message_id)
        assert edited.caption == "Новое" and edited.photo[-1].width == 90
        assert (await bot.edit_message_caption(ANNA, photo.message_id)).caption is None

    say(world, "/start", BORIS)
    run(world, story)


def test_an_album_of_the_bot_has_files_new_and_known(world: World) -> None:
    async def story(bot: telegram.Bot) -> tuple[telegram.Message, ...]:
        known = (await bot.send_photo(ANNA, picture())).photo[-1].file_id
        return await bot.send_media_group(
            ANNA,
            [
                telegram.InputMediaPhoto(known, caption="*раз*", parse_mode="Markdown"),
                telegram.InputMediaPhoto(picture(300, 200)),
            ],
        )

    first, second = run(world, story)
    assert first.media_group_id == second.media_group_id
    assert (first.caption, second.photo[-1].width) == ("раз", 300)
    one = [telegram.InputMediaPhoto(picture())]
    refused(world, "2-10", lambda bot: bot.send_media_group(ANNA, one))


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        ("AgACnonsense", "Wrong remote file identifier"),
        (b"no picture", "Image_process_failed"),
        (picture(2100, 100), "Photo_invalid_dimensions"),
        (picture(6000, 4001), "Photo_invalid_dimensions"),
        ("http://127.0.0.1:9/a.jpg", "Failed to get HTTP URL content"),
    ],
)
def test_a_picture_that_is_none_is_refused(world: World, photo: Any, why: str) -> None:
    refused(world, why, lambda bot: bot.send_photo(ANNA, photo))


def test_an_address_is_fetched_if_its_type_fits(world: World) -> None:
    stored = send_file(world, picture(), "a.jpg")[0]["photo"][-1]["file_id"]
    path = run(world, lambda bot: bot.get_file(stored)).file_path
    refused(
        world, "Wrong type of the web page content", lambda bot: bot.send_photo(ANNA, str(path))
    )
    shown = f"{world.url}/chat/files/{stored}"
    assert run(world, lambda bot: bot.send_photo(ANNA, shown)).photo[-1].width == 1280
    refused(world, "Wrong type of the web", lambda bot: bot.send_document(ANNA, shown))
    refused(world, "Type of file mismatch", lambda bot: bot.send_document(ANNA, stored))


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
    told = [u.my_chat_member for u in run(world, lambda bot: bot.get_updates(timeout=30))]
    assert [m.new_chat_member.status for m in told if m] == ["kicked", "member"]
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
    for _ in range(3):
        run(world, lambda bot: bot.send_message(ANNA, "a"))
    world.control("PUT", "/limits", enabled=True, per_chat_second=2)
    try:

        async def three(bot: telegram.Bot) -> None:
            for number in range(20):
                await bot.send_message(ANNA, f"{number}")

        with pytest.raises(RetryAfter) as caught:
            run(world, three)
        assert caught.value.retry_after == 1
    finally:
        world.control("PUT", "/limits", enabled=False)


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
        told = run(world, lambda bot: bot.get_updates(timeout=30))[0].chat_member
        assert (told.chat.id, told.new_chat_member.status) == (CHANNEL, "member")
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
