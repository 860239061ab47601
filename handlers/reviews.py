"""Tag Reviews."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import settings
from db import reading, transaction
from db.types import number
from errors import ApiError
from providers import instances
from providers.telegram import MessageRef, parse_message_link
from services import reviews, users


def reviews_check(body: dict[str, Any]) -> Any:
    user_id = UUID(body["userId"])
    link = body.get("messageLink")
    place = _locate_and_prove(user_id, _reference(link)) if link else None
    with transaction() as session:
        if place is not None:
            finding = reviews.check_message(session, user_id, *place)
        else:
            finding = reviews.check_own(session, user_id)
    return {
        "found": finding.found,
        "bonusGranted": finding.granted,
        "balanceTokens": number(finding.balance_tokens),
    }, 200


def _reference(link: str) -> MessageRef:
    reference = parse_message_link(link)
    if reference is None:
        raise ApiError("bad_request", details={"messageLink": "is not a link to a message"})
    return reference


def _locate_and_prove(user_id: UUID, reference: MessageRef) -> tuple[int, int] | None:
    """The chat and message a link names; asks Telegram for the author if need be.

    None if Telegram need not be asked: this user was rewarded before, whatever the link is.
    """
    with reading() as reader:
        user = users.get(reader, user_id)
    if user.has_left_review:
        return None
    chat_id, message_id = _place(reference)
    _prove_author(chat_id, message_id)
    return chat_id, message_id


def _place(reference: MessageRef) -> tuple[int, int]:
    """The chat and message a link names. ApiError `channel_not_eligible` outside REVIEW_CHAT."""
    bot = instances.telegram()
    review_chat = settings.load().review_chat
    place = bot.locate(reference, chat=_id_or_name(review_chat)) if review_chat else None
    if place is None:
        raise ApiError("channel_not_eligible", "The link does not lead to the chat of reviews")
    return place


def _id_or_name(chat: str) -> int | str:
    return chat if chat.startswith("@") else int(chat)


def _prove_author(chat_id: int, message_id: int) -> None:
    """Ask Telegram who wrote a message that came in no update, and store the answer.

    One without a provable author is stored too, for the operator to approve.
    """
    log_chat = settings.load().review_log_chat
    with reading() as reader:
        known = reviews.known_author(reader, chat_id, message_id)
    if known is not None or not log_chat:
        return
    proof = instances.telegram().prove_author(chat_id, message_id, log_chat=int(log_chat))
    if proof is not None:
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=chat_id,
                message_id=message_id,
                author_id=proof.author_id,
                text_sha256=proof.text_hash or "",
                prose_length=proof.prose_length,
                posted_at=proof.written_at,
            )
