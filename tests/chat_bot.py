"""A bot of a few answers in a thread of its own, for tests of the sandbox's chat page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import requests
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, LabeledPrice, Update
from telegram.error import BadRequest
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    PreCheckoutQueryHandler,
    filters,
)
from telegram.request import HTTPXRequest

from local.sandbox import Options
from local.sandbox.telegram import TOKEN, USERNAME
from tests.telegram_world import World

Context = ContextTypes.DEFAULT_TYPE
START_SECONDS = 120


@contextmanager
def living(world: World, clip: bytes) -> Iterator[None]:
    """The bot answers while this is open. clip: the video that it sends."""
    loop, enough, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    bot = SmallBot(world, clip)
    thread = threading.Thread(target=lambda: loop.run_until_complete(bot.live(started, enough)))
    thread.start()
    try:
        assert started.wait(START_SECONDS)
        yield
    finally:
        loop.call_soon_threadsafe(enough.set)
        thread.join()
        loop.close()


class SmallBot:
    """A bot of a few answers: enough to see everything that the page can show."""

    def __init__(self, world: World, clip: bytes) -> None:
        self._world, self._clip = world, clip
        client: dict[str, Any] = {
            "httpx_kwargs": {"verify": False},
            "read_timeout": 60.0,
            "connect_timeout": 60.0,
        }
        self._application = (
            Application.builder()
            .token(TOKEN)
            .base_url(f"{world.api}/bot")
            .base_file_url(f"{world.api}/file/bot")
            .request(HTTPXRequest(connection_pool_size=8, **client))
            .get_updates_request(HTTPXRequest(**client))
            .build()
        )
        for handler in (
            CommandHandler("start", self._greet),
            MessageHandler(filters.SUCCESSFUL_PAYMENT, self._thank),
            MessageHandler(filters.PHOTO | filters.Document.ALL, self._offer),
            CallbackQueryHandler(self._answer),
            PreCheckoutQueryHandler(self._confirm),
        ):
            self._application.add_handler(handler)

    async def live(self, started: threading.Event, enough: asyncio.Event) -> None:
        """Poll until it is enough."""
        async with self._application as running:
            await running.bot.set_my_commands([("start", "Начать сначала")])
            await running.bot.set_my_description("Оживляю старые фотографии.")
            await running.start()
            await running.updater.start_polling(poll_interval=0, timeout=1)
            started.set()
            await enough.wait()
            await running.updater.stop()
            await running.stop()

    async def _greet(self, update: Update, context: Context) -> None:
        link = await context.bot.create_invoice_link(
            "20 токенов", "Пополнение баланса", "p", "XTR", [LabeledPrice("Токены", 150)]
        )
        rows: list[list[tuple[str, dict[str, Any]]]] = [
            [("Баланс", {"callback_data": "balance"}), ("Подсказка", {"callback_data": "hint"})],
            [("Пригласить", {"url": f"https://t.me/{USERNAME}?start=FRIEND01"})],
            [("Канал", {"url": "https://t.me/live_news"}), ("150 звёзд", {"url": link})],
            [("Картой", {"url": self._shop_page()})],
        ]
        buttons = [[InlineKeyboardButton(t, **kind) for t, kind in row] for row in rows]
        code = context.args[0] if context.args else "никого"
        await update.message.reply_html(
            f"<b>Привет</b> от {code}", reply_markup=InlineKeyboardMarkup(buttons)
        )

    async def _offer(self, update: Update, context: Context) -> None:
        button = InlineKeyboardButton("Оживить", callback_data="animate")
        await update.message.reply_text(
            "Что сделать?", reply_markup=InlineKeyboardMarkup([[button]])
        )

    async def _answer(self, update: Update, context: Context) -> None:
        query = update.callback_query
        if query.data == "balance":
            await query.answer("На балансе 10 токенов", show_alert=True)
        elif query.data == "hint":
            await query.answer("Пришлите фото")
        else:
            await query.answer()
            with suppress(BadRequest):
                await query.message.edit_text("Оживляю… 80 %")
            await context.bot.send_chat_action(query.message.chat.id, "upload_video")
            await context.bot.send_animation(
                query.message.chat.id,
                self._clip,
                width=320,
                height=240,
                duration=1,
                filename="clip.mp4",
                caption="Готово",
            )

    async def _confirm(self, update: Update, context: Context) -> None:
        await update.pre_checkout_query.answer(ok=True)

    async def _thank(self, update: Update, context: Context) -> None:
        await update.message.reply_text("На балансе 30 токенов")

    def _shop_page(self) -> str:
        keys = Options()
        payment = requests.post(
            f"{self._world.url}/yookassa/v3/payments",
            json={
                "amount": {"value": "199.00", "currency": "RUB"},
                "confirmation": {"type": "redirect", "return_url": "https://t.me/bot"},
                "capture": True,
                "description": "20 токенов",
            },
            auth=(keys.yookassa_shop_id, keys.yookassa_secret_key),
            headers={"Idempotence-Key": str(uuid4())},
            timeout=20,
        )
        return str(payment.json()["confirmation"]["confirmation_url"])
