"""Finds out who wrote the message that a link names: from what is stored, else from Telegram."""

from __future__ import annotations

from uuid import UUID

import settings
from db import reading, transaction
from errors import ApiError
from providers import registry
from providers.telegram import MessageRef
from services import reviews, users


def locate_and_learn_author(user_id: UUID, linked: MessageRef) -> tuple[int, int] | None:
    """The chat and message a link names; asks Telegram for the author if need be, who may stay
    unknown.

    None if Telegram need not be asked: this user was rewarded before, whatever the link is.
    ApiError `user_not_found`, `channel_not_eligible`, and those of a Telegram that is away.
    """
    with reading() as reader:
        user = users.get(reader, user_id)
    if user.has_left_review:
        return None
    chat_id, message_id = _located(linked)
    _learn_author(chat_id, message_id)
    return chat_id, message_id


def _located(linked: MessageRef) -> tuple[int, int]:
    """The chat and message a link names. ApiError `channel_not_eligible` outside REVIEW_CHAT."""
    bot = registry.telegram()
    review_chat = settings.load().review_chat
    message = bot.locate(linked, chat=_id_or_name(review_chat)) if review_chat else None
    if message is None:
        raise ApiError("channel_not_eligible", "The link is not to a message of the review chat")
    return message


def _id_or_name(chat: str) -> int | str:
    return chat if chat.startswith("@") else int(chat)


def _learn_author(chat_id: int, message_id: int) -> None:
    """Ask Telegram who wrote a message that came in no update, and store the answer.

    One without a provable author is stored too, for the operator to approve.
    """
    log_chat = settings.load().review_log_chat
    with reading() as reader:
        known = reviews.known_author(reader, chat_id, message_id)
    if known is not None or not log_chat:
        return
    proof = registry.telegram().prove_author(chat_id, message_id, log_chat=int(log_chat))
    if proof is not None:
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=chat_id,
                message_id=message_id,
                author_id=proof.author_id,
                text_sha256=proof.text_hash,
                prose_length=proof.prose_length,
                posted_at=proof.written_at,
            )
