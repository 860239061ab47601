"""How a person becomes a user: once per Telegram account, under any race."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db.models import User
from services import funding, referrals, users

# 48 random bits as 8 URL-safe characters: short enough for a link, too many to guess.
REF_CODE_BYTES = 6


def register_or_log_in(
    session: Session,
    telegram_id: str,
    *,
    username: str | None = None,
    anon_user_id: str | None = None,
    ref_code: str | None = None,
    new_ref_code: Callable[[], str] = lambda: secrets.token_urlsafe(REF_CODE_BYTES),
) -> User:
    """The one user of this telegramId, made at the first visit.

    A new username is stored at every visit, anonUserId once. ref_code names the inviter and counts
    only at creation; an unknown one is ignored (contract, design of referrals).
    """
    user = users.by_telegram_id(session, telegram_id)
    if user is None:
        return _register(session, telegram_id, username, anon_user_id, ref_code, new_ref_code)
    news = {
        "username": username if username and username != user.username else None,
        "anon_user_id": anon_user_id if anon_user_id and not user.anon_user_id else None,
    }
    return (
        users.change(session, user.id, **{name: value for name, value in news.items() if value})
        or user
    )


def _register(
    session: Session,
    telegram_id: str,
    username: str | None,
    anon_user_id: str | None,
    ref_code: str | None,
    new_ref_code: Callable[[], str],
) -> User:
    inviter_id = ref_code and session.scalar(select(User.id).where(User.ref_code == ref_code))
    created: User | None = None
    while created is None:
        # Two conflicts are possible: the same person at the same moment, who then is found, or a
        # ref_code that is taken, and then the loop draws another.
        created = session.scalar(
            insert(User)
            .values(
                telegram_id=telegram_id,
                username=username,
                anon_user_id=anon_user_id,
                referrer_id=inviter_id or None,
                ref_code=new_ref_code(),
            )
            .on_conflict_do_nothing()
            .returning(User)
        )
        if created is None and (twin := users.by_telegram_id(session, telegram_id)):
            return twin
    if inviter_id:
        referrals.attach(session, inviter_id, created.id)
    _welcome(session, created)
    return created


def _welcome(session: Session, user: User) -> None:
    bonus = settings.load().welcome_bonus_tokens
    if bonus:
        funding.credit(
            session,
            user.id,
            bonus,
            type="promo",
            bonus_key="welcome",
            meta={"reason": "welcome"},
        )
        session.refresh(user)
