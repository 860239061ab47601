"""A small bot on aiogram, the other library in wide use, lives in the sandbox, too."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.filters import CommandObject, CommandStart
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
)
from PIL import Image

from local.sandbox.telegram import TOKEN
from tests.telegram_world import PAYER, World, telegram_world

KEYBOARD = InlineKeyboardMarkup(
    inline_keyboard=[[InlineKeyboardButton(text="Оживить", callback_data="animate")]]
)


def dialog() -> Dispatcher:
    """A greeting, a photo with a choice, its answer, and what Telegram refuses."""
    bot_says = Dispatcher()

    @bot_says.message(CommandStart(deep_link=True))
    async def greet(message: Message, command: CommandObject) -> None:
        await message.answer(f"Привет от <b>{command.args}</b>", parse_mode="HTML")

    @bot_says.message(F.photo)
    async def choose(message: Message, bot: Bot) -> None:
        file = io.BytesIO()
        await bot.download((message.photo or [])[-1], file)
        photo = BufferedInputFile(file.getvalue(), "photo.jpg")
        await bot.send_chat_action(message.chat.id, "upload_photo")
        await message.reply_media_group([InputMediaPhoto(media=photo) for _ in range(2)])
        await message.answer_photo(photo, caption="Что сделать?", reply_markup=KEYBOARD)

    @bot_says.callback_query(F.data == "animate")
    async def animate(query: CallbackQuery, bot: Bot) -> None:
        await query.answer("Делаем")
        with pytest.raises(TelegramBadRequest, match="query is too old"):
            await query.answer("Делаем")
        with pytest.raises(TelegramForbiddenError, match="initiate conversation"):
            await bot.send_message(PAYER + 1, "Привет")
        await query.message.edit_caption(caption="Готово")

    return bot_says


@pytest.fixture
def world() -> Iterator[World]:
    """A sandbox with this bot polling in it."""
    with telegram_world() as opened:
        opened.control("PUT", f"/users/{PAYER + 1}", first_name="Борис")
        loop, enough = asyncio.new_event_loop(), asyncio.Event()

        async def live() -> None:
            session, bot_says = AiohttpSession(), dialog()
            session.api = TelegramAPIServer.from_base(opened.api)
            bot = Bot(TOKEN, session)
            polling = asyncio.create_task(
                bot_says.start_polling(bot, polling_timeout=1, handle_signals=False)
            )
            await enough.wait()
            await bot_says.stop_polling()
            await polling

        thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
        thread.start()
        try:
            yield opened
        finally:
            loop.call_soon_threadsafe(enough.set)
            thread.join()
            loop.close()


def texts(world: World, *expected: str) -> list[dict[str, Any]]:
    """What the bot's messages are once they are these."""
    after, url = 0, f"{world.url}/control/telegram/chats/{PAYER}/messages"
    while True:
        got = requests.get(url, params={"after": after, "wait": 50}, timeout=60).json()
        said = [m.get("text", m.get("caption", "")) for m in got["messages"] if m["from"]["is_bot"]]
        if said == list(expected):
            messages: list[dict[str, Any]] = got["messages"]
            return messages
        after = got["last"]


def test_a_dialog_with_a_link_a_photo_and_a_button(world: World) -> None:
    world.control("POST", f"/users/{PAYER}/say", text="/start FRIEND01")
    assert texts(world, "Привет от FRIEND01")[-1]["entities"][0]["type"] == "bold"
    picture = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(picture, "PNG")
    requests.post(
        f"{world.url}/control/telegram/users/{PAYER}/say",
        files={"file": ("старое.png", picture.getvalue())},
        timeout=20,
    ).raise_for_status()
    shown = texts(world, "Привет от FRIEND01", "", "", "Что сделать?")
    assert shown[-2]["media_group_id"] == shown[-3]["media_group_id"]
    pressed = world.control("POST", f"/users/{PAYER}/press", label="Оживить", wait=50)
    assert pressed["answer"] == {"text": "Делаем", "alert": False}
    assert texts(world, "Привет от FRIEND01", "", "", "Готово")
