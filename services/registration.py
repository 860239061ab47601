"""How a person becomes a user: once per Telegram account, under any race."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, scalar, statement
from db.models import User
from db.rows import UserRow
from db.types import now
from services import erased_accounts, funding, people, referrals, users

# 48 random bits as 8 URL-safe characters: short enough for a link, too many to guess.
REF_CODE_BYTES = 6
BANNED_BEFORE = "was banned before the account was erased"


def find_unchanged(
    reader: Reader, telegram_id: str, *, username: str | None, anon_user_id: str | None
) -> UserRow | None:
    """The user with this telegramId, if the visit brings nothing new to store."""
    user = users.by_telegram_id(reader, telegram_id)
    return None if user is None or _is_news(user, username, anon_user_id) else user


def register_or_log_in(
    session: Session,
    telegram_id: str,
    *,
    username: str | None = None,
    anon_user_id: str | None = None,
    ref_code: str | None = None,
    user_id: UUID | None = None,
    new_ref_code: Callable[[], str] = lambda: secrets.token_urlsafe(REF_CODE_BYTES),
) -> UserRow:
    """The one user with this telegramId, created at the first visit.

    A new username is stored on any visit, anonUserId once; an empty one counts as unknown. ref_code
    names the inviter and counts only at creation; an unknown one is ignored (contract, design of
    referrals). An account that was erased gets no welcome bonus a second time. user_id: what the
    user was known by before the row was lost.
    """
    user = users.by_telegram_id(session, telegram_id)
    if user is not None and not _is_news(user, username, anon_user_id):
        return user
    known = user and users.learn(
        session, user.id, username=username or None, anon_user_id=anon_user_id or None
    )
    # One who is erased at this very moment comes back as a new person.
    return known or _register(
        session,
        telegram_id,
        username or None,
        anon_user_id or None,
        ref_code,
        user_id,
        new_ref_code,
    )


def _is_news(user: UserRow, username: str | None, anon_user_id: str | None) -> bool:
    """Whether a visit changes something in a known user's row."""
    new_name = username and username != user.username
    return bool(new_name or (anon_user_id and not user.anon_user_id))


def _register(
    session: Session,
    telegram_id: str,
    username: str | None,
    anon_user_id: str | None,
    ref_code: str | None,
    user_id: UUID | None,
    new_ref_code: Callable[[], str],
) -> UserRow:
    past = erased_accounts.past_of(session, telegram_id)
    # Who was erased and comes back has been a new friend once.
    inviter_id = _by_ref_code(session, ref_code) if ref_code and past is None else None
    created: UserRow | None = None
    while created is None:
        # Three conflicts are possible: the same person at the same moment, who is then found, or a
        # ref_code or an id that is taken; then the loop draws another.
        created = _insert.one_or_none(
            session,
            user_id=user_id,
            telegram_id=telegram_id,
            username=username,
            anon_user_id=anon_user_id,
            referrer_id=inviter_id,
            ref_code=new_ref_code(),
        )
        if created is None and (twin := users.by_telegram_id(session, telegram_id)):
            return twin
        user_id = None
    if inviter_id:
        referrals.attach(session, inviter_id, created.id)
    if past is not None and past.was_banned:
        return people.ban(session, created.id, reason=BANNED_BEFORE, now=now())
    if (past is not None and "welcome" in past.bonus_keys) or not _welcome(session, created.id):
        return created
    return users.get(session, created.id)


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


@scalar
def _by_ref_code(ref_code: str) -> Select[UUID]:
    return select(User.id).where(User.ref_code == ref_code, User.erased_at.is_(None))


@statement(UserRow)
def _insert(
    user_id: UUID | None,
    telegram_id: str,
    username: str | None,
    anon_user_id: str | None,
    referrer_id: UUID | None,
    ref_code: str,
) -> Query:
    return (
        insert(User)
        .values(
            id=func.coalesce(user_id, func.gen_random_uuid()),
            telegram_id=telegram_id,
            username=username,
            anon_user_id=anon_user_id,
            referrer_id=referrer_id,
            ref_code=ref_code,
        )
        .on_conflict_do_nothing()
        .returning(*User.columns(UserRow))
    )
