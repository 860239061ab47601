"""What is remembered of an erased Telegram account: that it has had the bonuses given once.

The account itself is not kept, only HMAC-SHA256 of its telegramId under ERASURE_KEY, which is not
in the database: Telegram's ids are so few that a plain hash could be tried out. With several keys
all are looked for, and new hashes are made with the first.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import settings
from db import Reader
from db.models import ErasedAccount, Transaction, User
from db.rows import UserRow

NO_KEY = (
    "ERASURE_KEY is not set: nobody can be erased, and who was erased before is not recognised and"
    " may get a welcome bonus again; make one with `openssl rand -hex 32`, and keep it"
)


def missing_key() -> str | None:
    """What to say at the start when there is no key."""
    return None if settings.load().erasure_key else NO_KEY


class Past(NamedTuple):
    """What an account has had before it was erased."""

    bonus_keys: frozenset[str]
    was_banned: bool


def remember(session: Session, user: UserRow) -> None:
    """Keep that this user's account is erased, which bonuses it has had, now or before, and whether
    it was banned: to be erased is no way around that.

    ValueError without ERASURE_KEY.
    """
    if missing := missing_key():
        raise ValueError(missing)
    had = session.scalars(
        select(Transaction.bonus_key).where(
            Transaction.user_id == user.id,
            or_(
                Transaction.bonus_key.in_(("welcome", "review")),
                Transaction.bonus_key.startswith("channel:"),
            ),
        )
    )
    past = past_of(session, user.telegram_id)
    values = {
        "bonus_keys": sorted({*map(str, had), *(past.bonus_keys if past else ())}),
        "was_banned": user.banned_at is not None,
        "erased_at": func.now(),
    }
    newest = _hashes(user.telegram_id)[0]
    session.execute(
        insert(ErasedAccount)
        .values(account_hash=newest, **values)
        .on_conflict_do_update(index_elements=["account_hash"], set_=values)
    )


def past_of(reader: Reader, telegram_id: str) -> Past | None:
    """What this account had before it was erased; None if it never was."""
    hashes = _hashes(telegram_id)
    if not hashes:
        return None
    found = reader.execute(
        select(ErasedAccount.bonus_keys, ErasedAccount.was_banned)
        .where(ErasedAccount.account_hash.in_(hashes))
        .order_by(ErasedAccount.erased_at)
    ).all()
    if not found:
        return None
    keys = frozenset(key for row in found for key in row.bonus_keys)
    return Past(keys, found[-1].was_banned)


def erased_at(reader: Reader, telegram_id: str) -> datetime | None:
    """When this account was erased the last time."""
    moment: datetime | None = reader.scalar(
        select(func.max(ErasedAccount.erased_at)).where(
            ErasedAccount.account_hash.in_(_hashes(telegram_id))
        )
    )
    return moment


def is_gone(reader: Reader, telegram_id: str) -> bool:
    """Whether this account was erased and has not come back."""
    return past_of(reader, telegram_id) is not None and not reader.scalar(
        select(exists().where(User.telegram_id == telegram_id))
    )


def _hashes(telegram_id: str) -> list[str]:
    """The account under each key, the newest first."""
    return [
        hmac.new(key.encode(), telegram_id.encode(), hashlib.sha256).hexdigest()
        for key in settings.load().erasure_key
    ]
