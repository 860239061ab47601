"""The real server beside a simulated Telegram, and the actions of Telegram and the bot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import requests

from local.processes import Child
from local.sandbox.telegram import TOKEN
from tests.command_line import command_line
from tests.live import Bot, Server, done
from tests.telegram_world import CHANNEL, GROUP, LOG_CHAT, World, telegram_world
from tests.wire import wait_until
from tests.workers import working

CHANNEL_NAME, GROUP_NAME, LOST_CHANNEL = "live_photo", "live_photo_talk", "lost_channel"
SECOND_CHANNEL, SECOND_NAME = -1005, "second_channel"
SECRET = "webhook-secret-of-growth-0123456789"
BOT_NAME = "growth_live_photo_bot"

CHANNEL_BONUS, REVIEW_BONUS, REFERRAL_BONUS, REFERRAL_PERCENT = 5, 7, 3, 10

_names = count(1)


@dataclass
class Growth:
    """One server, one Telegram, and the bot between them.

    private: everything confidential, which no log and no public answer may repeat.
    """

    world: World
    server: Server
    bot: Bot
    folder: Path
    environ: dict[str, str] = field(repr=False)
    private: set[str] = field(default_factory=set)

    def visitor(self, **body: str) -> dict[str, Any]:
        """A new user whom Telegram knows."""
        user = self.bot.register(username=f"visitor_of_growth_{next(_names)}", **body)
        self.world.control(
            "PUT", f"/users/{user['telegramId']}", first_name="Гость", username=user["username"]
        )
        self.private |= {user["telegramId"], user["username"], user["refCode"]}
        return user

    def join(
        self, user: dict[str, Any], status: str = "member", chat: int = CHANNEL, **more: Any
    ) -> None:
        """Set the user's membership of a channel."""
        path = f"/chats/{chat}/members/{user['telegramId']}"
        self.world.control("PUT", path, status=status, **more)

    def check_channel(
        self, user: dict[str, Any], channel: str = f"@{CHANNEL_NAME}", **changes: str
    ) -> requests.Response:
        """subscriptionsCheckChannel."""
        body = {"userId": user["id"], "telegramId": user["telegramId"], "channelUsername": channel}
        return self.bot.post("/subscriptions/check-channel", body | changes)

    def check_review(self, user: dict[str, Any], link: str | None = None) -> requests.Response:
        """reviewsCheck."""
        named = {} if link is None else {"messageLink": link}
        self.private |= set(named.values())
        return self.bot.post("/reviews/check", {"userId": user["id"]} | named)

    def write(self, user: dict[str, Any] | None = None, **message: Any) -> dict[str, Any]:
        """Write in the review chat; the update that the bot gets."""
        author = {} if user is None else {"user_id": int(user["telegramId"])}
        text = f"Отзыв {next(_names)}: бабушка улыбается"
        self.private.add(text)
        wanted = {"chat_id": GROUP, "text": text} | author | message
        return self._update(self.world.control("POST", "/messages", **wanted))

    def edit(self, update: dict[str, Any]) -> dict[str, Any]:
        """Edit a message as its author; the update that the bot gets."""
        place = {"chat_id": GROUP, "message_id": update["message"]["message_id"]}
        text = f"Передумал {next(_names)} раз: стало ещё лучше"
        self.private.add(text)
        return self._update(self.world.control("PATCH", "/messages", text=text, **place))

    def forward(self, update: dict[str, Any], **headers: str) -> requests.Response:
        """Pass an update on, as the bot does."""
        return requests.post(
            f"{self.server.url}/v1/webhooks/payments/telegram",
            json=update,
            headers={"X-Telegram-Bot-Api-Secret-Token": SECRET} | headers,
            timeout=60,
        )

    @contextmanager
    def updates_posted(self) -> Iterator[None]:
        """Let Telegram itself post updates about payments to the server."""
        self.world.call_bot(
            "setWebhook",
            url=f"{self.server.url}/v1/webhooks/payments/telegram",
            secret_token=SECRET,
            allowed_updates=["message", "pre_checkout_query"],
            drop_pending_updates=True,
        )
        try:
            yield
        finally:
            self.world.call_bot("deleteWebhook", drop_pending_updates=True)

    def pay(self, user: dict[str, Any], rub: int) -> str:
        """Pay in Telegram as the user; the charge, whose update is on its way."""
        wish = {"userId": user["id"], "amountRub": rub, "provider": "telegram"}
        link = done(self.bot.post("/payments/intents", wish), 201)["paymentUrl"]
        payer = int(user["telegramId"])
        paid = self.world.control("POST", "/pay", link=link, user_id=payer)
        assert paid["status"] == "paid", paid
        charge: str = paid["telegram_payment_charge_id"]
        self.private.add(link)
        return charge

    def worker(self) -> AbstractContextManager[Child]:
        """Run a worker, which runs all its duties once, and stop it in order."""
        return working(self.folder, **self.environ)

    def cli(self, *arguments: str) -> tuple[int, str, str]:
        """Run an operator's command; its exit code, output and errors."""
        with command_line(**self.environ) as terminal:
            return terminal.run(*arguments)

    def logs(self) -> str:
        """All that server and workers have logged so far."""
        return "".join(each.read_text("utf-8") for each in self.folder.glob("*.log"))

    def inject_fault(self, kind: str, method: str, **script: Any) -> None:
        """Script a fault of the next calls of a Bot API method."""
        self.world.control("POST", "/faults", kind=kind, call=method, **script)

    def wait_for_fault(self) -> None:
        """Wait until a call of the Bot API has met the fault."""

        def met() -> bool:
            return self.hanging() > 0 or self.world.control("GET", "/faults")["scripts"] == 0

        wait_until(met)

    def hanging(self) -> int:
        """How many calls of the Bot API hang, whether or not anybody waits for them still."""
        found: int = self.world.control("GET", "/faults")["hanging"]
        return found

    def alarms(self) -> list[str]:
        """Alarms about the bot that were logged so far."""
        lines = self.server.errors()
        return [each["message"] for each in lines if each["logger"] == "providers.telegram.calls"]

    def _update(self, posted: dict[str, Any]) -> dict[str, Any]:
        history = self.world.control("GET", "/updates")["history"]
        return next(each for each in history if each["update_id"] == posted["update_id"])


@contextmanager
def growth_world(folder: Path, *, state_dir: Path) -> Iterator[Growth]:
    """A channel with its review group, a second channel, and one unknown to Telegram.

    The server logs at DEBUG. Failures of Telegram are the only errors in its log.
    """
    with telegram_world() as world:
        reset(world)
        environ = _environ(world)
        server = Server(folder, state_dir=state_dir, **environ)
        server.start()
        bot = Bot(server.url)
        try:
            with bot:
                yield Growth(world, server, bot, folder, environ)
        finally:
            server.stop()
    errors = [line for line in server.errors() if not line["logger"].startswith("providers.")]
    assert not errors, errors


def reset(world: World) -> None:
    """Set up all chats in Telegram, clear faults, and have the bot hear of everything again."""
    chats: dict[int, dict[str, Any]] = {
        CHANNEL: {"type": "channel", "username": CHANNEL_NAME, "linked_chat_id": GROUP},
        SECOND_CHANNEL: {"type": "channel", "username": SECOND_NAME},
        GROUP: {"type": "supergroup", "username": GROUP_NAME, "linked_chat_id": CHANNEL},
        LOG_CHAT: {"type": "supergroup"},
    }
    for chat_id, chat in chats.items():
        world.control("PUT", f"/chats/{chat_id}", **chat)
    world.control("DELETE", "/faults")
    # Telegram remembers what a webhook wanted to hear of, also when the webhook has been removed.
    world.call_bot("setWebhook", url="", allowed_updates=[], drop_pending_updates=True)


def _environ(world: World) -> dict[str, str]:
    return {
        "LOG_LEVEL": "DEBUG",
        "SERVER_THREADS": "8",
        "TELEGRAM_API_URL": world.api,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_BOT_USERNAME": BOT_NAME,
        "TELEGRAM_WEBHOOK_SECRET": f"{SECRET},{SECRET[::-1]}",
        "BONUS_CHANNELS": f"@{CHANNEL_NAME},https://t.me/Second_Channel,{LOST_CHANNEL}",
        "REVIEW_CHAT": "@Live_Photo_Talk",
        "REVIEW_LOG_CHAT": str(LOG_CHAT),
        "CHANNEL_BONUS_TOKENS": str(CHANNEL_BONUS),
        "REVIEW_BONUS_TOKENS": str(REVIEW_BONUS),
        "REFERRAL_BONUS_TOKENS": str(REFERRAL_BONUS),
        "REFERRAL_BONUS_PERCENT": str(REFERRAL_PERCENT),
    }
