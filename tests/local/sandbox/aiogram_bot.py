"""A small bot on aiogram, as its documentation shows it."""

from __future__ import annotations

import asyncio
import io

import pytest
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

from local.sandbox.telegram import TOKEN
from tests.telegram_world import PAYER

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


async def live(api: str, enough: asyncio.Event) -> None:
    """Poll at this address until it is enough."""
    session, bot_says = AiohttpSession(), dialog()
    session.api = TelegramAPIServer.from_base(api)
    bot = Bot(TOKEN, session)
    polling = asyncio.create_task(
        bot_says.start_polling(bot, polling_timeout=1, handle_signals=False)
    )
    await enough.wait()
    await bot_says.stop_polling()
    await polling
