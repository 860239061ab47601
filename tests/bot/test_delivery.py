"""Events of the backend are told once, whoever is away in between."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from telegram import Bot

from bot import delivery
from bot.delivery import Delivery
from bot.journal import Journal
from livephoto_client import AsyncClient
from local.sandbox.telegram import TOKEN
from tests.telegram_world import PAYER, World, telegram_world

SECONDS = 60
USER = {"id": "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c", "telegramId": str(PAYER)}
SEQUENCE = 7
EVENT: dict[str, Any] = {
    "id": "4f1c2a9e-30a5-4b3d-a0f0-5f1f6a0d9c11",
    "sequence": SEQUENCE,
    "type": "bonus.granted",
    "createdAt": "2100-01-01T00:00:00Z",
    "user": {**USER, "balanceTokens": 5},
    "text": "Вам подарок. Начислено токенов: 5.",
    "bonus": {"reason": "grant", "tokens": 5},
}


class Backend:
    """Takes the place of the backend: one event, and a moment in which it is away."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.confirmed = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = parse_qs(urlsplit(self.path).query).get("after", [None])
                status, body = backend.take(given[0])
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, after: str | None) -> tuple[int, Any]:
        self.asked.append(after)
        if len(self.asked) == 2:  # so that it does not hear what is confirmed
            return 503, {"code": "service_unavailable", "message": "away"}
        self.confirmed = max(self.confirmed, int(after or 0))
        return 200, [EVENT] if self.confirmed < SEQUENCE else []


@pytest.fixture
def world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.server.shutdown()
    backend.server.server_close()


def test_an_event_is_told_once_when_the_backend_was_away_as_it_was_confirmed(
    world: World, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TROUBLE_PAUSE", 0.01)
    world.control("POST", f"/users/{PAYER}/say", text="/start")

    async def main() -> None:
        async with (
            Bot(TOKEN, base_url=f"{world.api}/bot") as bot,
            AsyncClient(backend.url, "key", attempts=1) as client,
        ):
            told = Delivery(bot, client, Journal(tmp_path / "journal"))
            task = asyncio.create_task(told.run())
            async with asyncio.timeout(SECONDS):
                while len(backend.asked) < 4:
                    await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    assert backend.asked[:4] == [None, "7", None, "7"]
    found = world.control("GET", f"/chats/{PAYER}/messages")["messages"]
    said = [each["text"] for each in found if each["from"]["is_bot"]]
    assert [each.splitlines()[0] for each in said] == [EVENT["text"]]
