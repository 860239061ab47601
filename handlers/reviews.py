"""Tag Reviews."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import settings
from db import reading, transaction
from db.types import now
from errors import ApiError
from handlers.schemas import number
from providers import instances
from providers.telegram import MessageRef, parse_message_link
from services import reviews


def reviews_check(body: dict[str, Any]) -> Any:
    user_id = UUID(body["userId"])
    link = body.get("messageLink")
    place = _place(_reference(link)) if link else None
    if place is not None:
        _prove_author(*place)
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


def _place(reference: MessageRef) -> tuple[int, int]:
    """Chat and message that a link names. ApiError `channel_not_eligible` outside REVIEW_CHAT."""
    review_chat = settings.load().review_chat
    bot = instances.telegram()
    if not review_chat:
        raise ApiError("channel_not_eligible")
    chat_id, message_id = bot.locate(reference)
    if not reviews.is_review_chat(chat_id, None) and chat_id != bot.get_chat(review_chat).id:
        raise ApiError("channel_not_eligible")
    return chat_id, message_id


def _prove_author(chat_id: int, message_id: int) -> None:
    """Ask Telegram who wrote a message that no update has told us of, and keep the answer."""
    with reading() as session:
        known = reviews.known_author(session, chat_id, message_id)
    log_chat = settings.load().review_log_chat
    if known is not None or not log_chat:
        return
    proof = instances.telegram().prove_author(chat_id, message_id, log_chat=int(log_chat))
    if proof is not None and proof.author_id is not None:
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=chat_id,
                message_id=message_id,
                author_id=proof.author_id,
                text_sha256=proof.text_hash or "",
                posted_at=proof.written_at or now(),
            )
