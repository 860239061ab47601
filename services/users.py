"""Users: one row per Telegram account; services/registration.py creates them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, UpdateBase, exists, func, select, update
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, scalar, statement, write
from db.models import User
from db.rows import UserRow
from errors import ApiError

ERASED = "erased"  # instead of whatever led to a person


def get(reader: Reader, user_id: UUID) -> UserRow:
    """The row of a user. ApiError `user_not_found`, also for one who was erased."""
    user = _by_id.one_or_none(reader, user_id)
    if user is None or user.erased_at is not None:
        raise ApiError("user_not_found")
    return user


def account(reader: Reader, user_id: UUID) -> UserRow | None:
    """The row of a user, whether the person was erased or not."""
    return _by_id.one_or_none(reader, user_id)


def require(reader: Reader, user_id: UUID) -> None:
    """ApiError `user_not_found` when there is no such user."""
    if not _exists(reader, user_id):
        raise ApiError("user_not_found")


def balance(reader: Reader, user_id: UUID) -> Decimal:
    """Tokens the user can spend now. ApiError `user_not_found`."""
    tokens = _balance(reader, user_id)
    if tokens is None:
        raise ApiError("user_not_found")
    return tokens


def account_balance(reader: Reader, user_id: UUID) -> Decimal:
    """What the books have for a user, also for one who was erased. ApiError `user_not_found`."""
    tokens = _account_balance(reader, user_id)
    if tokens is None:
        raise ApiError("user_not_found")
    return tokens


def find(reader: Reader, reference: str) -> UserRow:
    """The user an operator means by an id or a telegramId. ApiError `user_not_found`."""
    try:
        return get(reader, UUID(reference))
    except ValueError:
        user = by_telegram_id(reader, reference)
    if user is None:
        raise ApiError("user_not_found")
    return user


def set_consent(session: Session, user_id: UUID, agreed: bool, *, now: datetime) -> UserRow:
    """Store the consent flag, when it was given and to which CONSENT_VERSION.

    ApiError `user_not_found`.
    """
    version = settings.load().consent_version or None
    user = _set_consent.one_or_none(
        session, user_id, agreed, now if agreed else None, version if agreed else None
    )
    if user is None:
        raise ApiError("user_not_found")
    return user


def set_email(session: Session, user_id: UUID, email: str) -> UserRow:
    """Store where receipts of later payments go; empty forgets it. ApiError `user_not_found`."""
    user = _set_email.one_or_none(session, user_id, email or None)
    if user is None:
        raise ApiError("user_not_found")
    return user


def require_consent(consent_pd: bool) -> None:
    """ApiError `consent_required` when REQUIRE_CONSENT is on and the user has not agreed."""
    if settings.load().require_consent and not consent_pd:
        raise ApiError("consent_required")


def require_not_banned(banned_at: datetime | None) -> None:
    """ApiError `user_banned` for a user who may order and pay no more."""
    if banned_at is not None:
        raise ApiError("user_banned")


def by_telegram_id(reader: Reader, telegram_id: str) -> UserRow | None:
    """The user with this Telegram account."""
    return _by_telegram_id.one_or_none(reader, telegram_id)


def learn(
    session: Session, user_id: UUID, *, username: str | None, anon_user_id: str | None
) -> UserRow | None:
    """Store a username, if one is given, and an anonUserId, if none is known yet.

    None when the user was erased while this waited for the row.
    """
    return _learn.one_or_none(session, user_id, username=username, anon_user_id=anon_user_id)


def note_review(session: Session, user_id: UUID) -> None:
    """Note that a review of the user was rewarded."""
    _note_review(session, user_id)


@statement(UserRow)
def _by_id(user_id: UUID) -> Query:
    return select(*User.columns(UserRow)).where(User.id == user_id)


@scalar
def _exists(user_id: UUID) -> Select[bool]:
    return select(exists().where(User.id == user_id, User.erased_at.is_(None)))


@scalar
def _balance(user_id: UUID) -> Select[Decimal]:
    return select(User.balance_tokens).where(User.id == user_id, User.erased_at.is_(None))


@scalar
def _account_balance(user_id: UUID) -> Select[Decimal]:
    return select(User.balance_tokens).where(User.id == user_id)


@statement(UserRow)
def _by_telegram_id(telegram_id: str) -> Query:
    return select(*User.columns(UserRow)).where(User.telegram_id == telegram_id)


@statement(UserRow)
def _set_consent(user_id: UUID, agreed: bool, at: datetime | None, version: str | None) -> Query:
    return (
        update(User)
        .where(User.id == user_id, User.erased_at.is_(None))
        .values(consent_pd=agreed, consent_pd_at=at, consent_version=version, updated_at=func.now())
        .returning(*User.columns(UserRow))
    )


@statement(UserRow)
def _set_email(user_id: UUID, email: str | None) -> Query:
    return (
        update(User)
        .where(User.id == user_id, User.erased_at.is_(None))
        .values(email=email, updated_at=func.now())
        .returning(*User.columns(UserRow))
    )


@statement(UserRow)
def _learn(user_id: UUID, username: str | None, anon_user_id: str | None) -> Query:
    return (
        update(User)
        .where(User.id == user_id, User.erased_at.is_(None))
        .values(
            username=func.coalesce(username, User.username),
            anon_user_id=func.coalesce(User.anon_user_id, anon_user_id),
            updated_at=func.now(),
        )
        .returning(*User.columns(UserRow))
    )


@write
def _note_review(user_id: UUID) -> UpdateBase:
    return (
        update(User).where(User.id == user_id).values(has_left_review=True, updated_at=func.now())
    )
