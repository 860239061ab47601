"""How a person becomes a user: once per Telegram account, under any race."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Reader, Record
from db.models import User
from services import funding, referrals, users

# 48 random bits as 8 URL-safe characters: short enough for a link, too many to guess.
REF_CODE_BYTES = 6


def find_unchanged(
    reader: Reader, telegram_id: str, *, username: str | None, anon_user_id: str | None
) -> Record | None:
    """The user with this telegramId, if the visit brings nothing new to store."""
    user = users.by_telegram_id(reader, telegram_id)
    return None if user is None or _news(user, username, anon_user_id) else user


def register_or_log_in(
    session: Session,
    telegram_id: str,
    *,
    username: str | None = None,
    anon_user_id: str | None = None,
    ref_code: str | None = None,
    new_ref_code: Callable[[], str] = lambda: secrets.token_urlsafe(REF_CODE_BYTES),
) -> Record:
    """The one user with this telegramId, created at the first visit.

    A new username is stored on any visit, anonUserId once; an empty one counts as unknown. ref_code
    names the inviter and counts only at creation; an unknown one is ignored (contract, design of
    referrals).
    """
    user = users.by_telegram_id(session, telegram_id)
    if user is None:
        return _register(
            session, telegram_id, username or None, anon_user_id or None, ref_code, new_ref_code
        )
    return users.change(session, user.id, **_news(user, username, anon_user_id)) or user


def _news(user: Record, username: str | None, anon_user_id: str | None) -> dict[str, str]:
    """What a visit changes in a known user's row."""
    news = {}
    if username and username != user.username:
        news["username"] = username
    if anon_user_id and not user.anon_user_id:
        news["anon_user_id"] = anon_user_id
    return news


def _register(
    session: Session,
    telegram_id: str,
    username: str | None,
    anon_user_id: str | None,
    ref_code: str | None,
    new_ref_code: Callable[[], str],
) -> Record:
    inviter_id = ref_code and session.scalar(select(User.id).where(User.ref_code == ref_code))
    created: Record | None = None
    while created is None:
        # Two conflicts are possible: the same person at the same moment, who is then found, or a
        # ref_code that is taken; then the loop draws another.
        created = session.execute(
            insert(User)
            .values(
                telegram_id=telegram_id,
                username=username,
                anon_user_id=anon_user_id,
                referrer_id=inviter_id or None,
                ref_code=new_ref_code(),
            )
            .on_conflict_do_nothing()
            .returning(*User.columns())
        ).one_or_none()
        if created is None and (twin := users.by_telegram_id(session, telegram_id)):
            return twin
    if inviter_id:
        referrals.attach(session, inviter_id, created.id)
    return created if not _welcome(session, created.id) else users.get(session, created.id)


def _welcome(session: Session, user_id: UUID) -> Decimal:
    """Give the welcome bonus; returns its tokens, 0 when there is none."""
    bonus = settings.load().welcome_bonus_tokens
    if bonus:
        funding.credit(
            session,
            user_id,
            bonus,
            type="promo",
            bonus_key="welcome",
            meta={"reason": "welcome"},
        )
    return bonus
