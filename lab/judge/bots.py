"""python-telegram-bot as the bot: the code of docs/telegram.md between sandbox and server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import telegram

from lab.judge.customers import Customer, wait_until
from lab.judge.verdicts import ROOT, WORK, insist
from local.processes import Child, Program
from local.simulation import REVIEWS
from local.stack import Stack

STOP_SECONDS = 20


def forwarding_bot(stack: Stack) -> str:
    """Pay in Stars and write a review through the bot, the only receiver of Telegram's updates."""
    customer = Customer(stack)
    with _documented_bot(stack):
        wait_until(lambda: not _webhook(stack), "the bot has not taken over from the webhook")
        intent = customer.intent("telegram")
        link = intent["paymentUrl"]
        paid = customer.control("POST", "/telegram/pay", link=link, user_id=customer.telegram_id)
        insist(paid["status"] == "paid", f"Telegram says {paid}")
        wait_until(lambda: customer.balance() == intent["tokens"], "paid, but no tokens came")
        review = {"chat_id": REVIEWS["id"], "user_id": customer.telegram_id, "text": "Ожило!"}
        customer.control("POST", "/telegram/messages", **review)
        author = {"userId": customer.id}
        wait_until(
            lambda: bool(customer.call("POST", "/reviews/check", 200, json=author)["found"]),
            "the review was written, but is not found",
        )
        insist(not _webhook(stack), "Telegram had another way to the server")
    return f"{telegram.__version__}: pre-checkout, payment in Stars and a review came through"


@contextmanager
def _documented_bot(stack: Stack) -> Iterator[None]:
    page = (ROOT / "docs/telegram.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    insist(len(blocks) == 1, f"docs/telegram.md has {len(blocks)} programs, not one")
    script = WORK / "bot.py"
    script.write_text(blocks[0], encoding="utf-8")
    settings = stack.settings
    environ = {
        "PATH": os.environ["PATH"],
        "SERVER_URL": stack.url,
        "TELEGRAM_WEBHOOK_SECRET": settings.telegram_webhook_secret[0],
        "TELEGRAM_BOT_TOKEN": settings.telegram_bot_token,
        "TELEGRAM_API_URL": settings.telegram_api_url,
        "REVIEW_CHAT": settings.review_chat,
    }
    program = Program("bot", (str(script),), STOP_SECONDS)
    with Child(program, environ=environ, logs=WORK) as bot:
        yield
        bot.stop()
        insist(bot.exit_code() == 0, f"the bot ended with code {bot.exit_code()}")


def _webhook(stack: Stack) -> str:
    """Where Telegram posts updates; empty while the bot polls for them."""
    settings = stack.settings
    url = f"{settings.telegram_api_url}/bot{settings.telegram_bot_token}/getWebhookInfo"
    found: str = requests.get(url, timeout=10).json()["result"]["url"]
    return found
