"""The bot in docs/sandbox.md answers in the sandbox."""

from __future__ import annotations

import os
import re
from pathlib import Path

import requests

from local.processes import Child, Program
from local.sandbox.telegram import TOKEN
from tests.house.code import ROOT
from tests.telegram_world import PAYER, telegram_world

DOCUMENT = (ROOT / "docs/sandbox.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8002/telegram"


def test_the_documented_bot_answers(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert ADDRESS in snippet and TOKEN in snippet
    with telegram_world() as world:
        script = tmp_path / "bot.py"
        script.write_text(snippet.replace(ADDRESS, world.api), "utf-8")
        world.control("POST", f"/users/{PAYER}/say", text="Здравствуй")
        program = Program("bot", (str(script),), stop_seconds=0, folder=tmp_path)
        with Child(program, environ=os.environ, logs=tmp_path) as bot:
            chat = f"{world.url}/control/telegram/chats/{PAYER}/messages"
            after, texts = 0, list[str]()
            while "Вы написали: Здравствуй" not in texts:
                assert bot.exit_code() is None, bot.said()
                got = requests.get(chat, params={"after": after, "wait": 5}, timeout=20).json()
                after, texts = got["last"], [each["text"] for each in got["messages"]]
