"""Updates of the Bot API that matter here, as frozen values; every other update is None.

One parser serves both sources: posted by Telegram, or forwarded by the bot as
python-telegram-bot's `update.to_dict()`, which keeps the API's names and number formats.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from errors import ApiError

# Telegram's own sender accounts: anonymous admin, channel, service notifications.
FACELESS = (1087968824, 136817688, 777000)

# What makes a message a person's words; service messages ("joined", "pinned") have none of these.
MEDIA = ("photo", "video", "voice", "video_note", "audio", "document")
CONTENT = ("text", "caption", *MEDIA)


@dataclass(frozen=True)
class PreCheckout:
    """Somebody is about to pay; answer within 10 s of Telegram asking. Amount in minor units."""

    update_id: int
    query_id: str
    payer_id: int
    payload: str
    currency: str
    total_amount: int


@dataclass(frozen=True)
class SuccessfulPayment:
    """Money has arrived. `charge_id` is Telegram's permanent id of the payment."""

    update_id: int
    charge_id: str
    provider_charge_id: str
    payer_id: int
    payload: str
    currency: str
    total_amount: int
    paid_at: datetime


@dataclass(frozen=True)
class RefundedPayment:
    """Stars were returned, always all of one charge. There is no such update for rubles."""

    update_id: int
    charge_id: str
    payer_id: int
    payload: str
    currency: str
    total_amount: int
    refunded_at: datetime


@dataclass(frozen=True)
class GroupMessage:
    """A message in a group or channel.

    author_id: who wrote it; None if that is not proved: an anonymous admin, a channel, an
        automatic or manual forward, a bot.
    text_hash: `hash_text` of text or caption; None for a wordless picture or voice.
    prose_length: as `prose_length` says.
    date: when it was sent or last edited.
    """

    update_id: int
    chat_id: int
    chat_username: str | None
    message_id: int
    author_id: int | None
    text_hash: str | None
    prose_length: int | None
    date: datetime


Update = PreCheckout | SuccessfulPayment | RefundedPayment | GroupMessage


def parse_update(body: Mapping[str, Any]) -> Update | None:
    """The update as a value, None when it is of no interest.

    Raises ApiError bad_request when a payment lacks a field: a payment is never skipped.
    """
    try:
        update_id = int(body["update_id"])
        if "pre_checkout_query" in body:
            return _pre_checkout(update_id, body["pre_checkout_query"])
        for kind in ("message", "edited_message", "channel_post", "edited_channel_post"):
            if kind in body:
                return _message(update_id, body[kind])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        fault = f"{type(problem).__name__}: {problem}"
        raise ApiError(
            "bad_request", "The body is not a Telegram update", details={"problem": fault[:200]}
        ) from problem
    return None


def hash_text(message: Mapping[str, Any]) -> str | None:
    """SHA-256 (hex) of a message's text or caption; None without either.

    Unicode form and runs of white space do not change it.
    """
    words = " ".join(_words(message))
    return hashlib.sha256(words.encode()).hexdigest() if words else None


def prose_length(message: Mapping[str, Any]) -> int | None:
    """How many characters a message has in words: 0 for a command or a single word.

    None where a picture, a video or a voice speaks for itself.
    """
    if any(message.get(kind) for kind in MEDIA):
        return None
    words = _words(message)
    says_something = len(words) > 1 and not words[0].startswith("/")
    return len(" ".join(words)) if says_something else 0


def _words(message: Mapping[str, Any]) -> list[str]:
    text = message.get("text") or message.get("caption") or ""
    return unicodedata.normalize("NFC", text).split()


def _pre_checkout(update_id: int, query: Mapping[str, Any]) -> PreCheckout:
    return PreCheckout(
        update_id=update_id,
        query_id=str(query["id"]),
        payer_id=int(query["from"]["id"]),
        payload=str(query["invoice_payload"]),
        currency=str(query["currency"]),
        total_amount=_whole(query["total_amount"]),
    )


def _message(update_id: int, message: Mapping[str, Any]) -> Update | None:
    if paid := message.get("successful_payment"):
        return SuccessfulPayment(
            **_payment(update_id, message, paid),
            provider_charge_id=str(paid.get("provider_payment_charge_id", "")),
            paid_at=_moment(message["date"]),
        )
    if refunded := message.get("refunded_payment"):
        return RefundedPayment(
            **_payment(update_id, message, refunded), refunded_at=_moment(message["date"])
        )
    chat = message["chat"]
    if chat["type"] == "private" or not any(message.get(key) for key in CONTENT):
        return None
    return GroupMessage(
        update_id=update_id,
        chat_id=int(chat["id"]),
        chat_username=chat.get("username"),
        message_id=_storable_id(message["message_id"]),
        author_id=_author(message),
        text_hash=hash_text(message),
        prose_length=prose_length(message),
        date=_moment(message.get("edit_date") or message["date"]),
    )


def _payment(
    update_id: int, message: Mapping[str, Any], payment: Mapping[str, Any]
) -> dict[str, Any]:
    # The bot reports a refund in the payer's private chat, so the chat identifies the payer.
    payer = message["chat"] if message["chat"]["type"] == "private" else message["from"]
    return {
        "update_id": update_id,
        "charge_id": _named(payment["telegram_payment_charge_id"]),
        "payer_id": int(payer["id"]),
        "payload": str(payment["invoice_payload"]),
        "currency": str(payment["currency"]),
        "total_amount": _whole(payment["total_amount"]),
    }


def _named(charge_id: Any) -> str:
    if not isinstance(charge_id, str) or not charge_id:
        raise ValueError("telegram_payment_charge_id is empty")
    return charge_id


def _whole(amount: Any) -> int:
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise ValueError("total_amount is not a whole number")
    return amount


def _storable_id(message_id: Any) -> int:
    """Positive, and of a size that can be stored; real ones have 31 bits."""
    if not 0 < (number := int(message_id)) < 2**63:
        raise ValueError("message_id is out of range")
    return number


def _author(message: Mapping[str, Any]) -> int | None:
    author = message.get("from")
    if not author or author.get("is_bot") or author["id"] in FACELESS:
        return None
    if message.get("sender_chat") or message.get("is_automatic_forward"):
        return None
    # A forwarded message was written by somebody else.
    return None if message.get("forward_origin") else int(author["id"])


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
