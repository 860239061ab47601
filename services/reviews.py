"""Reviews: messages of the review chat, each counted for one user, each user rewarded once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Reader, Record
from db.models import Review
from errors import ApiError
from services import bonuses, ledger, users


@dataclass(frozen=True)
class Finding:
    """The result of a check: whether the user has a review, and whether it was rewarded now."""

    found: bool
    granted: bool
    balance_tokens: Decimal


def is_review_chat(chat_id: int, username: str | None) -> bool:
    """Whether REVIEW_CHAT names this chat, by its id or its @name."""
    wanted = settings.load().review_chat.lower()
    return bool(wanted) and wanted in (str(chat_id), f"@{username}".lower())


def ingest(
    session: Session,
    *,
    chat_id: int,
    message_id: int,
    author_id: int | None,
    text_sha256: str,
    posted_at: datetime,
) -> None:
    """Store a message of the review chat; a repeat or an edit keeps its author and state.

    A previously unknown author is added: a person may have relaxed their privacy settings.
    """
    author = author_id and str(author_id)
    session.execute(
        insert(Review)
        .values(
            chat=str(chat_id),
            message_id=message_id,
            author_telegram_id=author,
            text_sha256=text_sha256,
            posted_at=posted_at,
        )
        .on_conflict_do_update(
            index_elements=["chat", "message_id"],
            set_={
                "text_sha256": text_sha256,
                "author_telegram_id": func.coalesce(Review.author_telegram_id, author),
            },
        )
    )


def known_author(reader: Reader, chat_id: int, message_id: int) -> str | None:
    """Telegram id of the author of a message already seen, None if not known."""
    author: str | None = reader.scalar(
        select(Review.author_telegram_id).where(
            Review.chat == str(chat_id), Review.message_id == message_id
        )
    )
    return author


def check_own(session: Session, user_id: UUID) -> Finding:
    """Reward the user's oldest review seen so far. ApiError `user_not_found`."""
    user = ledger.lock(session, user_id)
    review = session.scalar(
        select(Review)
        .where(Review.author_telegram_id == user.telegram_id, Review.state == "seen")
        .order_by(Review.number)
        .limit(1)
        .with_for_update()
    )
    return _finding(session, user, review)


def check_message(session: Session, user_id: UUID, chat_id: int, message_id: int) -> Finding:
    """Reward a message that is proved to be the user's.

    ApiError `user_not_found`, `review_already_used` when it was counted for somebody else.
    """
    user = ledger.lock(session, user_id)
    review = session.scalar(
        select(Review)
        .where(Review.chat == str(chat_id), Review.message_id == message_id)
        .with_for_update()
    )
    if review is not None and review.user_id not in (None, user.id):
        raise ApiError("review_already_used")
    if review is not None and review.author_telegram_id != user.telegram_id:
        review = None
    return _finding(session, user, review)


def recent(session: Session, *, state: str | None, limit: int) -> list[Review]:
    """For the operator: the newest messages seen."""
    query = select(Review).order_by(Review.number.desc()).limit(limit)
    return list(session.scalars(query.where(Review.state == state) if state else query))


def approve(session: Session, review_id: UUID, user_id: UUID) -> Finding:
    """Count a message for a user on the operator's word, where Telegram gives no proof.

    ApiError `user_not_found`, `review_already_used`; ValueError for one rejected or never seen.
    """
    user = ledger.lock(session, user_id)
    review = session.scalar(select(Review).where(Review.id == review_id).with_for_update())
    if review is None or review.state == "rejected":
        raise ValueError("there is no such review, or it has been rejected")
    if review.user_id not in (None, user.id):
        raise ApiError("review_already_used")
    return _finding(session, user, review)


def reject(session: Session, review_id: UUID, *, note: str) -> None:
    """Never count a message; ValueError when it has been rewarded."""
    rejected = session.scalar(
        update(Review)
        .where(Review.id == review_id, Review.state != "rewarded")
        .values(state="rejected", note=note)
        .returning(Review.id)
    )
    if rejected is None:
        raise ValueError("there is no such review, or it has been rewarded")


def _finding(session: Session, user: Record, review: Review | None) -> Finding:
    rewarded_before = session.scalar(select(Review.id).where(Review.user_id == user.id)) is not None
    if rewarded_before:
        return Finding(True, False, user.balance_tokens)
    if review is None or review.state == "rejected":
        return Finding(False, False, user.balance_tokens)
    review.state = "rewarded"
    review.user_id = user.id
    users.change(session, user.id, has_left_review=True)
    session.flush()
    grant = bonuses.grant_once(
        session,
        user,
        settings.load().review_bonus_tokens,
        bonus_key="review",
        meta={"reason": "review", "reviewId": str(review.id)},
    )
    return Finding(True, grant.granted, grant.balance_tokens)
