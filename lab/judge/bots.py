"""python-telegram-bot as the bot: ours, between sandbox and server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import telegram

from lab.judge.customers import Customer, wait_until
from lab.judge.verdicts import WORK, insist
from local.processes import Child
from local.simulation import REVIEWS
from local.stack import BOT, Stack


def forwarding_bot(stack: Stack) -> str:
    """Pay in Stars and write a review through the bot, the only receiver of Telegram's updates."""
    customer = Customer(stack)
    with _bot(stack):
        wait_until(lambda: not _webhook(stack), "the bot has not taken over from the webhook")
        intent = customer.intent("telegram")
        link = intent["paymentUrl"]
        paid = customer.control("POST", "/telegram/pay", link=link, user_id=customer.telegram_id)
        insist(paid["status"] == "paid", f"Telegram says {paid}")
        wait_until(lambda: customer.balance() == intent["tokens"], "paid, but no tokens came")
        words = "Бабушка на фото ожила, спасибо!"  # REVIEW_MIN_LENGTH: one word earns nothing
        review = {"chat_id": REVIEWS["id"], "user_id": customer.telegram_id, "text": words}
        customer.control("POST", "/telegram/messages", **review)
        author = {"userId": customer.id}
        wait_until(
            lambda: bool(customer.call("POST", "/reviews/check", 200, json=author)["found"]),
            "the review was written, but is not found",
        )
        insist(not _webhook(stack), "Telegram had another way to the server")
    return f"{telegram.__version__}: pre-checkout, payment in Stars and a review came through"


@contextmanager
def _bot(stack: Stack) -> Iterator[None]:
    with Child(BOT, environ=stack.environ(), logs=WORK) as bot:
        yield
        bot.stop()
        insist(bot.exit_code() == 0, f"the bot ended with code {bot.exit_code()}")


def _webhook(stack: Stack) -> str:
    """Where Telegram posts updates; empty while the bot polls for them."""
    settings = stack.settings
    url = f"{settings.telegram_api_url}/bot{settings.telegram_bot_token}/getWebhookInfo"
    found: str = requests.get(url, timeout=10).json()["result"]["url"]
    return found
