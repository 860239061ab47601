"""Updates between Telegram and the backend: none is lost, whoever is away or killed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from telegram import Bot, Update

from bot import __main__ as program
from bot import forwarding, updates
from bot.environment import Environment
from bot.forwarding import Forwarding
from bot.journal import Journal
from bot.updates import Updates
from livephoto_client import AsyncClient
from local.sandbox.telegram import TOKEN
from providers.telegram import TelegramBot, parse_update
from tests.telegram_world import GROUP, PAYER, World, telegram_world
from tests.wire import wait_until

SECRET = "secret-of-the-bot-0123456789"
SECONDS = 60
REFUSAL = b'{"code": "scripted", "message": "as scripted"}'


class Backend:
    """Takes the place of the backend: scripted statuses, then 200; answers pre-checkouts."""

    def __init__(self, bot: TelegramBot) -> None:
        self.got: list[dict[str, Any]] = []
        self.secrets: set[str] = set()
        self.statuses: list[int] = []
        self._bot = bot
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/api/v1/webhooks/payments/telegram"
                backend.secrets.add(self.headers["X-Telegram-Bot-Api-Secret-Token"])
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(backend.take(json.loads(raw)))
                self.send_header("Content-Length", str(len(REFUSAL)))
                self.end_headers()
                self.wfile.write(REFUSAL)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, body: dict[str, Any]) -> int:
        self.got.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and "pre_checkout_query" in body:
            self._bot.answer_pre_checkout_query(body["pre_checkout_query"]["id"], ok=True)
        return status


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


async def wait_for(fact: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, fact, SECONDS)


async def in_thread(control: Callable[..., Any], *arguments: Any, **body: Any) -> Any:
    return await asyncio.to_thread(control, *arguments, **body)


def run(world: World, story: Callable[[Bot], Awaitable[None]]) -> None:
    """A story with a bot of python-telegram-bot."""

    async def main() -> None:
        async with Bot(TOKEN, base_url=f"{world.api}/bot") as bot:
            await story(bot)

    asyncio.run(main())


def texts(seen: list[Update]) -> list[str]:
    return [str(update.message.text) for update in seen if update.message]


def test_what_a_bot_had_not_handled_comes_again_and_what_it_had_does_not(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "STOP_SECONDS", 0.1)

    async def story(bot: Bot) -> None:
        handled: list[Update] = []

        async def slow(update: Update, repeated: bool) -> None:
            if texts([update]) == ["медленно"]:
                await asyncio.Event().wait()
            handled.append(update)

        first = asyncio.create_task(Updates(bot, Journal(tmp_path / "journal"), slow).run())
        for text in ("медленно", "быстро", "потом"):
            written = {"chat_id": PAYER, "user_id": PAYER, "text": text}
            await in_thread(world.control, "POST", "/messages", **written)
        await wait_for(lambda: len(handled) == 2)
        first.cancel()
        await asyncio.wait([first])

        again: list[tuple[str, bool]] = []

        async def quick(update: Update, repeated: bool) -> None:
            again.append((texts([update])[0], repeated))

        # A new process has connections of its own; a request that is cancelled may keep its
        # connection's place in httpx's pool, and there is one for getUpdates.
        async with Bot(TOKEN, base_url=f"{world.api}/bot") as another:
            journal = Journal(tmp_path / "journal")
            second = asyncio.create_task(Updates(another, journal, quick).run())
            await wait_for(lambda: again)
            await wait_for(lambda: not world.control("GET", "/updates")["pending"])
            second.cancel()
            await asyncio.wait([second])
        assert sorted(texts(handled)) == ["быстро", "потом"]
        assert again == [("медленно", True)]

    world.control("PUT", f"/chats/{PAYER}", type="private")
    run(world, story)


def test_payments_and_reviews_are_forwarded_until_they_are_taken_and_nothing_else(
    world: World, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "PAUSES", (0.05,))
    world.control("PUT", "/chats/-1004", type="supergroup", username="elsewhere")
    link = TelegramBot(world.api, TOKEN).create_invoice_link(
        "20", "Токены", payload="8f0c", currency="XTR", amount=150
    )

    async def story(bot: Bot) -> None:
        async with AsyncClient(backend.url, "key", attempts=1) as client:
            forward = Forwarding(client, SECRET)
            forward.review_chat = "@Live_Photo_Talk"

            async def handle(update: Update, repeated: bool) -> None:
                if forward.concerns(update):
                    await forward.forward(update)

            loop = Updates(bot, Journal(tmp_path / "journal"), handle)
            task = asyncio.create_task(loop.run())
            # The backend is down for a moment: the question comes again within its ten seconds.
            backend.statuses = [503]
            paid = await in_thread(world.control, "POST", "/pay", link=link, user_id=PAYER)
            assert paid["status"] == "paid"
            await wait_for(lambda: len(backend.got) == 3)
            backend.statuses = [500, 503, 400]
            for chat, text in ((-1004, "Не для нас"), (GROUP, "Класс"), (GROUP, "Ещё")):
                written = {"chat_id": chat, "user_id": PAYER, "text": text}
                await in_thread(world.control, "POST", "/messages", **written)
            await wait_for(lambda: len(backend.got) == 7)
            task.cancel()
            await asyncio.wait([task])

    run(world, story)
    kinds = [type(parse_update(body)).__name__ for body in backend.got]
    assert kinds == ["PreCheckout", "PreCheckout", "SuccessfulPayment", *["GroupMessage"] * 4]
    assert backend.secrets == {SECRET}


@pytest.mark.parametrize(
    ("statuses", "posts"),
    [
        ([500] * 50, forwarding.REFUSALS),
        # Its database may be away for an hour, its key be changed: the money must still arrive.
        ([503, 429, 502, 504, 401, 403] * 10, 61),
    ],
)
def test_an_update_that_is_refused_again_and_again_gives_way_not_one_that_has_to_wait(
    world: World,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[int],
    posts: int,
) -> None:
    monkeypatch.setattr(forwarding, "PAUSES", (0.01,))
    backend.statuses = list(statuses)

    async def story(bot: Bot) -> None:
        async with AsyncClient(backend.url, "key", attempts=1) as client:
            forward = Forwarding(client, SECRET)
            written = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}}
            payment = {"currency": "XTR", "total_amount": 1, "invoice_payload": "p"}
            charges = {"telegram_payment_charge_id": "a", "provider_payment_charge_id": "b"}
            body = {"update_id": 1, "message": written | {"successful_payment": payment | charges}}
            update = Update.de_json(body, bot)
            assert forward.concerns(update)
            await forward.forward(update)

    run(world, story)
    assert len(backend.got) == posts


def test_what_was_handled_while_telegram_was_away_is_not_handled_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telegram has not heard that the first is handled when the bot that did it has gone."""
    monkeypatch.setattr(updates, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(updates, "TROUBLE_PAUSE", 0.01)
    monkeypatch.setattr(updates, "BUSY_PAUSE", 0.01)

    async def story(bot: Bot) -> None:
        handled: list[str] = []
        goes_on = asyncio.Event()

        async def handle(update: Update, repeated: bool) -> None:
            (text,) = texts([update])
            if text == "первое" and not handled:
                await in_thread(world.control, "POST", "/faults", **away)
            else:
                await goes_on.wait()
            handled.append(text)

        def calls() -> int:
            return int(world.control("GET", "/calls").get("getupdates", 0))

        away = {"call": "getUpdates", "kind": "status", "status": 500, "times": 1_000_000}
        for text in ("первое", "второе"):
            written = {"chat_id": PAYER, "user_id": PAYER, "text": text}
            await in_thread(world.control, "POST", "/messages", **written)
        first = asyncio.create_task(Updates(bot, Journal(tmp_path / "journal"), handle).run())
        await wait_for(lambda: handled)
        asked = await in_thread(calls)
        await wait_for(lambda: calls() >= asked + 2)  # in vain
        goes_on.set()
        await wait_for(lambda: len(handled) == 2)
        first.cancel()
        await asyncio.wait([first])
        await in_thread(world.control, "DELETE", "/faults")

        async with Bot(TOKEN, base_url=f"{world.api}/bot") as another:
            again = Updates(another, Journal(tmp_path / "journal"), handle)
            second = asyncio.create_task(again.run())
            await wait_for(lambda: not world.control("GET", "/updates")["pending"])
            second.cancel()
            await asyncio.wait([second])
        assert handled == ["первое", "второе"]

    world.control("PUT", f"/chats/{PAYER}", type="private")
    run(world, story)


def test_a_bot_that_starts_before_telegram_waits_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "TROUBLE_PAUSE", 0.01)
    world.control("POST", "/faults", call="getMe", kind="status", status=502, times=3)
    app = program._application(Environment("http://none", "key", TOKEN, SECRET, world.api))

    async def main() -> str:
        async with asyncio.timeout(SECONDS):
            await program._find_telegram(app)
        async with app:
            return app.bot.username

    assert asyncio.run(main())
