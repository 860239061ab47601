"""Events of the backend are told once, whoever is away in between."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from telegram import Bot

from bot import delivery, screens, texts
from bot.delivery import Delivery
from bot.journal import Journal
from bot.progress import Progress
from livephoto_client import AsyncClient, Job
from local.sandbox.telegram import TOKEN
from tests.bot_calls import picture
from tests.telegram_world import PAYER, World, telegram_world
from tests.wire import wait_until

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


ORDER: dict[str, Any] = {
    "id": "7a0c5a52-7d0e-4f0e-9d0b-6d5a0a1f3c11",
    "orderId": "1001",
    "serviceType": "restore",
    "status": "done",
    "priceTokens": 10,
}
PHOTO_ID = "9c5f0f5e-2f0b-4f0e-8c39-0a6f5d7b2e11"
DONE = {
    **EVENT,
    "type": "job.done",
    "text": "Заказ №1001 готов!",
    "job": {**ORDER, "photos": 1},
    "results": [{"type": "image", "dataId": PHOTO_ID, "contentType": "image/jpeg"}],
}
JOB = {
    **ORDER,
    "userId": USER["id"],
    "modelId": ORDER["id"],
    "priceRub": 99,
    "tokensReserved": 0,
    "tokensConsumed": 10,
    "input": [],
    "output": [{"type": "image", "dataId": PHOTO_ID}],
    "progress": 100,
    "meta": {"width": 300, "height": 200},
    "createdAt": EVENT["createdAt"],
    "updatedAt": EVENT["createdAt"],
}


class Backend:
    """Takes the place of the backend: one event, and a moment in which it is away. A link to its
    file is good for one download.
    """

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self.asked: list[str | None] = []
        self.confirmed = 0
        self.links = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path.startswith("/file/"):
                    return self.answer(*backend.download(url.path), "image/jpeg")
                if url.path.startswith("/api/v1/jobs/"):
                    return self.answer(
                        200, json.dumps(JOB | {"clientRef": backend.client_ref}).encode()
                    )
                status, body = backend.take(parse_qs(url.query).get("after", [None])[0])
                return self.answer(status, json.dumps(body).encode())

            def do_POST(self) -> None:
                assert self.path == f"/api/v1/data/{PHOTO_ID}/confirm"
                self.answer(200, json.dumps(backend.new_link()).encode())

            def answer(self, status: int, raw: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.origin}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.client_ref = ""

    def take(self, after: str | None) -> tuple[int, Any]:
        self.asked.append(after)
        if len(self.asked) == 2:  # so that it does not hear what is confirmed
            return 503, {"code": "service_unavailable", "message": "away"}
        self.confirmed = max(self.confirmed, int(after or 0))
        return 200, [self.event] if self.confirmed < SEQUENCE else []

    def new_link(self) -> dict[str, Any]:
        self.links += 1
        url = f"{self.origin}/file/{self.links}"
        data = {"id": PHOTO_ID, "type": "image", "s3Url": "s3://file", "expiredIn": 3600}
        return {**data, "publicS3Url": url, "createdAt": EVENT["createdAt"]}

    def download(self, path: str) -> tuple[int, bytes]:
        if path != f"/file/{self.links}":
            return 403, b"expired"
        self.links += 1
        return 200, picture(300, 200)


@pytest.fixture
def world() -> Iterator[World]:
    with telegram_world() as opened:
        yield opened


@contextmanager
def backend(event: dict[str, Any]) -> Iterator[Backend]:
    started = Backend(event)
    yield started
    started.server.shutdown()
    started.server.server_close()


def deliver(world: World, backend: Backend, folder: Path, until: Callable[[], object]) -> None:
    """Let a bot read events until something is so."""

    async def main() -> None:
        async with (
            Bot(TOKEN, base_url=f"{world.api}/bot") as bot,
            AsyncClient(backend.url, "key", attempts=1) as client,
        ):
            progress = Progress(bot, client)
            delivery = Delivery(bot, client, progress, Journal(folder / "journal"))
            task = asyncio.create_task(delivery.run())
            await asyncio.to_thread(wait_until, until, SECONDS)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())


def of_bot(world: World) -> list[dict[str, Any]]:
    found = world.control("GET", f"/chats/{PAYER}/messages")["messages"]
    return [each for each in found if each["from"]["is_bot"]]


def test_an_event_is_told_once_when_the_backend_was_away_as_it_was_confirmed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TROUBLE_PAUSE", 0.01)
    world.control("POST", f"/users/{PAYER}/say", text="/start")
    with backend(EVENT) as asked:
        deliver(world, asked, tmp_path, lambda: len(asked.asked) >= 4)
        assert asked.asked[:4] == [None, "7", None, "7"]
    assert [each["text"].splitlines()[0] for each in of_bot(world)] == [EVENT["text"]]


def test_a_result_arrives_although_telegram_was_away_for_longer_than_its_links_live(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edits go through, uploads do not: what was not sent is never taken as told."""
    monkeypatch.setattr(delivery, "TROUBLE_PAUSE", 0.01)
    world.control("POST", f"/users/{PAYER}/say", text="/start")
    menu = world.call_bot("sendMessage", chat_id=PAYER, text="Заказ №1001 в работе")
    away = {"kind": "status", "status": 502, "times": delivery.ATTEMPTS + 3}
    world.control("POST", "/faults", call="sendPhoto", **away)
    with backend(DONE) as asked:
        asked.client_ref = f"{PAYER}:{menu['message_id']}"
        deliver(world, asked, tmp_path, lambda: asked.confirmed == SEQUENCE)
    marked, *rest = of_bot(world)
    assert marked["text"] == "Заказ №1001 готов ✅"
    assert ["photo" in each for each in rest].count(True) == 1
    assert rest[-1]["document"]["file_name"] == "restored-1001.jpg"
    # Nobody knows whether what was lost on its way had arrived.
    assert {each.get("text") for each in rest if "text" in each} == {texts.REPEATED}


@pytest.mark.parametrize("begun", [1, 2])
def test_a_bot_that_was_killed_asks_the_message_once_and_then_sends_in_doubt(
    world: World, tmp_path: Path, begun: int
) -> None:
    """Killed while it asked, it has marked an order as done whose result it had not sent."""
    world.control("POST", f"/users/{PAYER}/say", text="/start")
    text, buttons = screens.of_job(Job.from_json(JOB))
    assert buttons
    marked = {"text": text, "reply_markup": buttons.to_dict()}
    menu = world.call_bot("sendMessage", chat_id=PAYER, **marked)
    with backend(DONE) as asked:
        asked.client_ref = f"{PAYER}:{menu['message_id']}"
        killed = Journal(tmp_path / "journal")
        for _ in range(begun):
            killed.begin(SEQUENCE)
        deliver(world, asked, tmp_path, lambda: asked.confirmed == SEQUENCE)
    _, *sent = of_bot(world)
    if begun == 1:  # the message says that it was told
        assert sent == []
    else:
        assert sent[0]["text"] == texts.REPEATED and "document" in sent[-1]
