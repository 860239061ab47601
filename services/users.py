"""People: one row per Telegram account; how they come to be is in services/registration.py."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

import settings
from db.models import User
from errors import ApiError


def get(session: Session, user_id: UUID) -> User:
    """ApiError `user_not_found`."""
    user = session.get(User, user_id)
    if user is None:
        raise ApiError("user_not_found")
    return user


def balance(session: Session, user_id: UUID) -> Decimal:
    """Tokens the user can spend now. ApiError `user_not_found`."""
    tokens = session.scalar(_BALANCE, {"user_id": user_id})
    if tokens is None:
        raise ApiError("user_not_found")
    return tokens


def find(session: Session, reference: str) -> User:
    """The user an operator means by an id or a telegramId. ApiError `user_not_found`."""
    try:
        return get(session, UUID(reference))
    except ValueError:
        user = by_telegram_id(session, reference)
    if user is None:
        raise ApiError("user_not_found")
    return user


def set_consent(session: Session, user_id: UUID, agreed: bool, *, now: datetime) -> User:
    """Store the consent flag and when it was given. ApiError `user_not_found`."""
    user = change(session, user_id, consent_pd=agreed, consent_pd_at=now if agreed else None)
    if user is None:
        raise ApiError("user_not_found")
    return user


def require_consent(user: User) -> None:
    """ApiError `consent_required` when REQUIRE_CONSENT is on and the user has not agreed."""
    if settings.load().require_consent and not user.consent_pd:
        raise ApiError("consent_required")


def by_telegram_id(session: Session, telegram_id: str) -> User | None:
    """The user of this Telegram account."""
    return session.scalar(_BY_TELEGRAM_ID, {"telegram_id": telegram_id})


def change(session: Session, user_id: UUID, **values: object) -> User | None:
    """Store new values of columns other than money; None when there is no such user."""
    if not values:
        return None
    return session.scalar(
        update(User)
        .where(User.id == user_id)
        .values(**values, updated_at=func.now())
        .returning(User)
        .execution_options(populate_existing=True)
    )


_BALANCE = select(User.balance_tokens).where(User.id == bindparam("user_id"))


_BY_TELEGRAM_ID = select(User).where(User.telegram_id == bindparam("telegram_id"))
