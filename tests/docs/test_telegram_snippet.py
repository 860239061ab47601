"""The code in docs/telegram.md, run as it is: a bot between Telegram and the backend."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.sandbox.telegram import TOKEN
from providers.telegram import TelegramBot, parse_update
from tests.telegram_world import GROUP, PAYER, World, telegram_world
from tests.wire import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "telegram.md"
SECRET = "secret-of-the-bot-0123456789"


class Backend:
    """Takes the place of the backend: scripted answers, then 200; answers pre-checkouts by API."""

    def __init__(self, bot: TelegramBot) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self._bot = bot
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(backend.take(self.path, dict(self.headers), json.loads(raw)))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> int:
        assert path == "/api/v1/webhooks/payments/telegram"
        self.got.append(body)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and "pre_checkout_query" in body:
            self._bot.answer_pre_checkout_query(body["pre_checkout_query"]["id"], ok=True)
        return status

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.got) >= count)
        return self.got


@pytest.fixture
def world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


@pytest.fixture
def backend(world: World) -> Iterator[Backend]:
    backend = Backend(TelegramBot(world.api, TOKEN))
    yield backend
    backend.server.shutdown()
    backend.server.server_close()


@pytest.fixture
def snippet(world: World, backend: Backend, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    script = tmp_path / "bot.py"
    script.write_text(blocks[0], encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "SERVER_URL": backend.url,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": world.api,
        "REVIEW_CHAT": "@Live_Photo_Talk",
    }
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate(timeout=10)


def test_the_documented_bot_forwards_payments_and_reviews_and_nothing_else(
    world: World, backend: Backend, snippet: subprocess.Popen[str]
) -> None:
    bot = TelegramBot(world.api, TOKEN)
    link = bot.create_invoice_link("20", "Токены", payload="8f0c", currency="XTR", amount=150)
    # The backend is down for a moment: the question comes again within its ten seconds.
    backend.statuses = [503]
    assert world.control("POST", "/pay", link=link, user_id=PAYER)["status"] == "paid"
    backend.wait_for(3)

    world.control("PUT", "/chats/-1004", type="supergroup", username="elsewhere")
    world.control("POST", "/messages", chat_id=-1004, user_id=PAYER, text="Не для нас")
    backend.statuses = [401]
    world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="Класс")
    world.control("POST", "/messages", chat_id=GROUP, user_id=PAYER, text="Ещё")
    backend.wait_for(5)

    snippet.send_signal(signal.SIGTERM)
    assert snippet.wait(timeout=60) == 0
    kinds = [type(parse_update(body)).__name__ for body in backend.got]
    assert kinds == ["PreCheckout", "PreCheckout", "SuccessfulPayment", *["GroupMessage"] * 2]
    assert {headers["x-telegram-bot-api-secret-token"] for headers in backend.headers} == {SECRET}
    assert all(headers["content-type"] == "application/json" for headers in backend.headers)
