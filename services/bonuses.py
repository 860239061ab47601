"""One-time rewards: joining a channel, leaving a review."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

import settings
from db import Reader
from db.models import Transaction
from db.rows import UserRow
from errors import ApiError
from services import erased_accounts, events, funding, ledger, users


@dataclass(frozen=True)
class Grant:
    """Whether this call gave the bonus, and the balance after it."""

    granted: bool
    balance_tokens: Decimal


def eligible_channel(reader: Reader, user_id: UUID, telegram_id: str, channel: str) -> str:
    """The channel's name in its normalized spelling, if this user may ask for its bonus.

    ApiError `user_not_found`, `telegram_id_mismatch` (somebody else's id), `channel_not_eligible`
    (not in BONUS_CHANNELS).
    """
    user = users.get(reader, user_id)
    if user.telegram_id != telegram_id:
        raise ApiError("telegram_id_mismatch")
    wanted = normalized(channel)
    if wanted not in {normalized(name) for name in settings.load().bonus_channels}:
        raise ApiError("channel_not_eligible")
    return wanted


def normalized(channel: str) -> str:
    """`@name` in lower case, from `name`, `@Name` or `https://t.me/name`."""
    name = channel.strip().lower().rstrip("/").rpartition("/")[2].lstrip("@")
    return f"@{name}"


def given(session: Session, channels: list[str]) -> dict[str, int]:
    """Channel -> how many users have received its bonus."""
    keys = [f"channel:{channel}" for channel in channels]
    counts = session.execute(
        select(Transaction.bonus_key, func.count())
        .where(Transaction.bonus_key.in_(keys))
        .group_by(Transaction.bonus_key)
    )
    return {str(key).removeprefix("channel:"): count for key, count in counts}


def grant_channel(session: Session, user_id: UUID, channel: str) -> Grant:
    """Grant a channel's bonus, once per user and channel under any race."""
    return grant_once(
        session,
        ledger.lock(session, user_id),
        settings.load().channel_bonus_tokens,
        bonus_key=f"channel:{channel}",
        meta={"reason": "channel", "channel": channel},
    )


def grant_once(
    session: Session, user: UserRow, tokens: Decimal, *, bonus_key: str, meta: dict[str, str]
) -> Grant:
    """Credit `tokens` unless this user already has this bonus; the caller has locked the user.

    What an account had before it was erased counts, too.
    """
    had = session.scalar(
        select(exists().where(Transaction.user_id == user.id, Transaction.bonus_key == bonus_key))
    )
    if not had and (past := erased_accounts.past_of(session, user.telegram_id)):
        had = bonus_key in past.bonus_keys
    if had or not tokens:
        return Grant(False, user.balance_tokens)
    news = events.bonus_granted(meta["reason"], tokens, channel=meta.get("channel"))
    funding.credit(
        session, user.id, tokens, type="promo", news=news, bonus_key=bonus_key, meta=meta
    )
    # The credit may have started jobs that waited for it.
    return Grant(True, users.balance(session, user.id))
