"""Calls of the simulated Bot API with python-telegram-bot, and acts of people, for its tests."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import requests
import telegram
from PIL import Image
from telegram.error import BadRequest
from telegram.request import HTTPXRequest

from local.sandbox.telegram import TOKEN
from tests.telegram_world import PAYER, World

T = TypeVar("T")

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


def forget_updates(world: World) -> None:
    """What the bot has not asked for is dropped."""
    requests.post(
        f"{world.api}/bot{TOKEN}/deleteWebhook", json={"drop_pending_updates": True}, timeout=20
    ).raise_for_status()
