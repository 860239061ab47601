"""A small bot on aiogram, the other library in wide use, lives in the sandbox, too."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from tests.telegram_world import PAYER, World, telegram_world


@pytest.fixture
def world() -> Iterator[World]:
    """A sandbox with this bot polling in it."""
    # Its import takes three seconds: only the process pays that runs this test.
    from tests.local.sandbox import aiogram_bot

    with telegram_world() as opened:
        opened.control("PUT", f"/users/{PAYER + 1}", first_name="Борис")
        loop, enough = asyncio.new_event_loop(), asyncio.Event()
        bot = aiogram_bot.live(opened.api, enough)
        thread = threading.Thread(target=lambda: loop.run_until_complete(bot))
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
