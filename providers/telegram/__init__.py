"""Telegram's Bot API: the calls this product makes, and reading its updates and links."""

from __future__ import annotations

from providers.telegram.answers import (
    ChatFacts,
    ForwardedMessage,
    Membership,
    StarTransaction,
)
from providers.telegram.bot import TelegramBot
from providers.telegram.calls import Clock
from providers.telegram.links import MessageRef, parse_message_link
from providers.telegram.refusals import Meaning, TelegramError
from providers.telegram.stars import star_transactions_since
from providers.telegram.updates import (
    GroupMessage,
    PreCheckout,
    RefundedPayment,
    SuccessfulPayment,
    Update,
    hash_text,
    parse_update,
)

__all__ = [
    "ChatFacts",
    "Clock",
    "ForwardedMessage",
    "GroupMessage",
    "Meaning",
    "Membership",
    "MessageRef",
    "PreCheckout",
    "RefundedPayment",
    "StarTransaction",
    "SuccessfulPayment",
    "TelegramBot",
    "TelegramError",
    "Update",
    "hash_text",
    "parse_message_link",
    "parse_update",
    "star_transactions_since",
]
