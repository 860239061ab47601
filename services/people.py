"""Users as the operator leafs through them, and bans.

A ban stops what is new: orders and payments. What was ordered before is made and delivered, and
money that was paid is credited, since providers do not ask whether we want it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db import Query, Reader, statement
from db.models import User
from db.rows import UserRow
from errors import ApiError
from services import paging


def listed(
    reader: Reader,
    *,
    limit: int,
    cursor: str | None = None,
    banned: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> paging.Page[UserRow]:
    """The newest users; those who are banned, those who came in a period."""
    return _LISTED.page(
        reader, limit=limit, cursor=cursor, banned=banned or None, since=since, until=until
    )


def ban(session: Session, user_id: UUID, *, reason: str, now: datetime) -> UserRow:
    """Let a user order and pay no more. A repeat changes the reason, not the time.

    reason: for the operator, never shown to the user. ApiError `user_not_found`.
    """
    return _changed(_ban.one_or_none(session, user_id, reason, now))


def unban(session: Session, user_id: UUID) -> UserRow:
    """Let a user order and pay again. ApiError `user_not_found`."""
    return _changed(_unban.one_or_none(session, user_id))


def _changed(user: UserRow | None) -> UserRow:
    if user is None:
        raise ApiError("user_not_found")
    return user


_LISTED = paging.Filtered(
    UserRow,
    select(*User.columns(UserRow)),
    {User.created_at: paging.moment, User.id: UUID},
    banned=User.banned_at.is_not(None),
    **paging.period(User.created_at),
)


@statement(UserRow)
def _ban(user_id: UUID, reason: str, now: datetime) -> Query:
    return (
        update(User)
        .where(User.id == user_id, User.erased_at.is_(None))
        .values(
            banned_at=func.coalesce(User.banned_at, now),
            ban_reason=reason,
            updated_at=func.now(),
        )
        .returning(*User.columns(UserRow))
    )


@statement(UserRow)
def _unban(user_id: UUID) -> Query:
    return (
        update(User)
        .where(User.id == user_id, User.erased_at.is_(None))
        .values(banned_at=None, ban_reason=None, updated_at=func.now())
        .returning(*User.columns(UserRow))
    )
