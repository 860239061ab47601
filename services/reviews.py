"""Reviews: messages of the review chat, each counted for one user, each user rewarded once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement
from db.models import Review
from db.rows import ReviewRow, UserRow
from errors import ApiError
from services import bonuses, erased_accounts, ledger, paging, users

AT_ONCE = 20  # messages of one person looked at in one check
CLAIM_LOCK = 7_243_901_155  # any number; of PostgreSQL's advisory locks


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
    text_sha256: str | None,
    prose_length: int | None,
    posted_at: datetime,
) -> None:
    """Store a message of the review chat; a repeat or an edit keeps its author and state.

    A previously unknown author is added: a person may have relaxed their privacy settings. The
    words that were rewarded stay on record, so that others cannot copy them after an edit; new
    words make a held message an ordinary one. text_sha256: None without words, which are no copy of
    anything. prose_length: characters, None for pictures. Nothing is stored of who was erased and
    has not come back.
    """
    author = author_id and str(author_id)
    if author and erased_accounts.is_gone(session, author):
        return
    words = text_sha256 or ""
    freed = (Review.state == "held") & (Review.text_sha256 != words)
    session.execute(
        insert(Review)
        .values(
            chat=str(chat_id),
            message_id=message_id,
            author_telegram_id=author,
            text_sha256=words,
            prose_length=prose_length,
            posted_at=posted_at,
        )
        .on_conflict_do_update(
            index_elements=["chat", "message_id"],
            set_={
                "text_sha256": case((Review.state == "rewarded", Review.text_sha256), else_=words),
                "prose_length": prose_length,
                "state": case((freed, "seen"), else_=Review.state),
                "note": case((freed, None), else_=Review.note),
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
    """Reward the user's oldest review seen so far that counts. ApiError `user_not_found`."""
    user = ledger.lock(session, user_id)
    if _was_rewarded(session, user):
        return Finding(True, False, user.balance_tokens)
    own = select(Review).where(Review.author_telegram_id == user.telegram_id, _may_count())
    own = own.order_by(Review.number).limit(AT_ONCE).with_for_update()
    for review in session.scalars(own).all():
        if _is_original(session, review):
            return _reward(session, user, review)
    return Finding(False, False, user.balance_tokens)


def check_message(session: Session, user_id: UUID, chat_id: int, message_id: int) -> Finding:
    """Reward a message, if it is known to be the user's and counts.

    ApiError `user_not_found`, `review_already_used` when it was counted for somebody else.
    """
    user = ledger.lock(session, user_id)
    this_message = (Review.chat == str(chat_id)) & (Review.message_id == message_id)
    used_by = session.scalar(select(Review.user_id).where(this_message))
    if used_by not in (None, user.id):
        raise ApiError("review_already_used")
    if _was_rewarded(session, user):
        return Finding(True, False, user.balance_tokens)
    own = Review.author_telegram_id == user.telegram_id
    review = session.scalar(select(Review).where(this_message, own, _may_count()).with_for_update())
    if review is None or not _is_original(session, review):
        return Finding(False, False, user.balance_tokens)
    return _reward(session, user, review)


def listed(
    reader: Reader, *, limit: int, cursor: str | None = None, state: str | None = None
) -> paging.Page[ReviewRow]:
    """For the operator: the newest messages seen."""
    return _LISTED.page(reader, limit=limit, cursor=cursor, state=state)


def find(reader: Reader, review_id: UUID) -> ReviewRow | None:
    """One message; None when it was never seen."""
    return _find.one_or_none(reader, review_id)


def next_to_judge(reader: Reader) -> ReviewRow | None:
    """The held message that has waited longest; None when none waits for the operator."""
    return _oldest_held.one_or_none(reader)


def approve(session: Session, review_id: UUID, user_id: UUID) -> Finding:
    """Count a message for a user on the operator's word: unproved, short, or a copy.

    ApiError `user_not_found`, `review_already_used`; ValueError for one rejected or never seen.
    """
    user = ledger.lock(session, user_id)
    review = session.scalar(select(Review).where(Review.id == review_id).with_for_update())
    if review is None or review.state == "rejected":
        raise ValueError("there is no such review, or it has been rejected")
    if review.user_id not in (None, user.id):
        raise ApiError("review_already_used")
    if _was_rewarded(session, user):
        return Finding(True, False, user.balance_tokens)
    return _reward(session, user, review)


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


def _was_rewarded(session: Session, user: UserRow) -> bool:
    return session.scalar(select(Review.id).where(Review.user_id == user.id)) is not None


def _may_count() -> ColumnElement[bool]:
    """Whether a message waits for its reward and is long enough; a picture needs no words."""
    length = settings.load().review_min_length
    return (Review.state == "seen") & (
        Review.prose_length.is_(None) | (Review.prose_length >= length)
    )


def _is_original(session: Session, review: Review) -> bool:
    """Whether nobody was rewarded for these words; a copy is held for the operator.

    Two people may claim the same words at the same moment, so claims are judged one at a time.
    """
    if not review.text_sha256:
        return True
    session.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK)))
    rewarded = session.scalar(
        select(Review.id)
        .where(Review.text_sha256 == review.text_sha256, Review.state == "rewarded")
        .limit(1)
    )
    if rewarded is not None:
        review.state = "held"
        review.note = f"the same words as review {rewarded}, which was rewarded"
        session.flush()
    return rewarded is None


def _reward(session: Session, user: UserRow, review: Review) -> Finding:
    review.state = "rewarded"
    review.user_id = user.id
    users.note_review(session, user.id)
    session.flush()
    grant = bonuses.grant_once(
        session,
        user,
        settings.load().review_bonus_tokens,
        bonus_key="review",
        meta={"reason": "review", "reviewId": str(review.id)},
    )
    return Finding(True, grant.granted, grant.balance_tokens)


@statement(ReviewRow)
def _find(review_id: UUID) -> Query:
    return select(*Review.columns(ReviewRow)).where(Review.id == review_id)


@statement(ReviewRow)
def _oldest_held() -> Query:
    # The state is in the text of the query, as the partial index has it.
    held = select(*Review.columns(ReviewRow)).where(text("state = 'held'"))
    return held.order_by(Review.number).limit(1)


_LISTED = paging.Filtered(
    ReviewRow,
    select(*Review.columns(ReviewRow)),
    {Review.number: paging.number},
    state=Review.state == bindparam("state", type_=Text),
)
