"""Users: one row per Telegram account; services/registration.py creates them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement
from db.models import User
from errors import ApiError


def get(reader: Reader, user_id: UUID) -> Record:
    """The row of a user. ApiError `user_not_found`."""
    user = _BY_ID.one_or_none(reader, user_id=user_id)
    if user is None:
        raise ApiError("user_not_found")
    return user


def require(reader: Reader, user_id: UUID) -> None:
    """ApiError `user_not_found` when there is no such user."""
    if not _EXISTS.scalar(reader, user_id=user_id):
        raise ApiError("user_not_found")


def balance(reader: Reader, user_id: UUID) -> Decimal:
    """Tokens the user can spend now. ApiError `user_not_found`."""
    tokens: Decimal | None = _BALANCE.scalar(reader, user_id=user_id)
    if tokens is None:
        raise ApiError("user_not_found")
    return tokens


def find(reader: Reader, reference: str) -> Record:
    """The user an operator means by an id or a telegramId. ApiError `user_not_found`."""
    try:
        return get(reader, UUID(reference))
    except ValueError:
        user = by_telegram_id(reader, reference)
    if user is None:
        raise ApiError("user_not_found")
    return user


def set_consent(session: Session, user_id: UUID, agreed: bool, *, now: datetime) -> Record:
    """Store the consent flag and when it was given. ApiError `user_not_found`."""
    user = change(session, user_id, consent_pd=agreed, consent_pd_at=now if agreed else None)
    if user is None:
        raise ApiError("user_not_found")
    return user


def require_consent(consent_pd: bool) -> None:
    """ApiError `consent_required` when REQUIRE_CONSENT is on and the user has not agreed."""
    if settings.load().require_consent and not consent_pd:
        raise ApiError("consent_required")


def by_telegram_id(reader: Reader, telegram_id: str) -> Record | None:
    """The user with this Telegram account."""
    return _BY_TELEGRAM_ID.one_or_none(reader, telegram_id=telegram_id)


def change(session: Session, user_id: UUID, **values: object) -> Record | None:
    """Store new values of columns other than money; None when there is no such user."""
    if not values:
        return None
    return session.execute(
        update(User)
        .where(User.id == user_id)
        .values(**values, updated_at=func.now())
        .returning(*User.columns())
    ).one_or_none()


_BY_ID = Statement(select(*User.columns()).where(User.id == bindparam("user_id")))
_EXISTS = Statement(select(exists().where(User.id == bindparam("user_id"))))
_BALANCE = Statement(select(User.balance_tokens).where(User.id == bindparam("user_id")))
_BY_TELEGRAM_ID = Statement(
    select(*User.columns()).where(User.telegram_id == bindparam("telegram_id"))
)
