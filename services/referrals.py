"""Invitations: who invited whom, and the inviter's reward for the invitee's first payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement
from db.models import Referral, Transaction
from services import funding, ledger, lotteries, paging, users


@dataclass(frozen=True)
class Stats:
    """Counts of invitees and the tokens earned through them."""

    total_invited: int
    invited_paid_count: int
    ref_earned: Decimal


def attach(session: Session, inviter_id: UUID, invitee_id: UUID) -> None:
    """Record who invited a new user; called once, at the invitee's registration."""
    session.add(Referral(inviter_id=inviter_id, invitee_id=invitee_id))
    session.flush()
    lotteries.count_referral(session, inviter_id)


def link(user: Record) -> str:
    """The deep link that registers a friend with this user's code."""
    return f"https://t.me/{settings.load().telegram_bot_username or 'bot'}?start={user.ref_code}"


def stats(reader: Reader, user_id: UUID) -> Stats:
    """The results of the user's invitations. ApiError `user_not_found`."""
    users.require(reader, user_id)
    invited, paid = _COUNTS.one(reader, user_id=user_id)
    earned = _EARNED.scalar(reader, user_id=user_id)
    return Stats(invited, paid, max(Decimal(earned or 0), Decimal(0)))


def history(reader: Reader, user_id: UUID, *, limit: int, cursor: str | None) -> paging.Page:
    """The user's invitations, newest first. ApiError `user_not_found`."""
    return _HISTORY.page(reader, limit=limit, cursor=cursor, owner_id=user_id)


def reward(session: Session, payment: Record) -> None:
    """Reward the inviter on the invitee's first successful payment, in that transaction.

    The payment has locked the invitee's row; the inviter's is locked after it. Two people cannot
    have invited each other, so these locks cannot deadlock.
    """
    referral = _UNPAID.one_or_none(session, invitee_id=payment.user_id)
    if referral is None:
        return
    tokens = _reward_tokens(payment)
    session.execute(
        update(Referral)
        .where(Referral.id == referral.id)
        .values(
            invitee_paid=True,
            payment_id=payment.id,
            reward_tokens=tokens,
            reward_given=tokens > 0,
        )
    )
    if tokens:
        ledger.lock(session, referral.inviter_id)
        funding.credit(
            session,
            referral.inviter_id,
            tokens,
            type="promo",
            bonus_key=f"referral:{referral.invitee_id}",
            meta={"reason": "referral", "referralId": str(referral.id)},
        )


def take_back(session: Session, payment: Record) -> None:
    """Undo the reward when its payment is refunded in full within REFERRAL_RETURN_DAYS, once.

    The inviter's balance never goes below zero; what is missing is kept in the row's meta.
    """
    days = timedelta(days=settings.load().referral_return_days)
    referral = session.scalar(
        select(Referral)
        .where(
            Referral.payment_id == payment.id,
            Referral.reward_given,
            Referral.returned_at.is_(None),
            func.now() - payment.paid_at <= days,
        )
        .with_for_update()
    )
    if referral is None:
        return
    balance = ledger.lock(session, referral.inviter_id).balance_tokens
    taken = min(referral.reward_tokens, balance)
    referral.returned_at = func.now()
    referral.reward_given = False
    session.flush()
    if taken:
        ledger.post(
            session,
            referral.inviter_id,
            -taken,
            type="promo",
            bonus_key=f"referral:{referral.invitee_id}:returned",
            meta={
                "reason": "referral_returned",
                "referralId": str(referral.id),
                "shortfallTokens": str(referral.reward_tokens - taken),
            },
        )


def _reward_tokens(payment: Record) -> Decimal:
    current = settings.load()
    share = payment.tokens * current.referral_bonus_percent / 100
    return ledger.rounded(current.referral_bonus_tokens + share)


_UNPAID = Statement(
    select(Referral.id, Referral.inviter_id, Referral.invitee_id)
    .where(Referral.invitee_id == bindparam("invitee_id"), ~Referral.invitee_paid)
    .with_for_update()
)
_COUNTS = Statement(
    select(func.count(), func.count().filter(Referral.invitee_paid)).where(
        Referral.inviter_id == bindparam("user_id")
    )
)
_EARNED = Statement(
    select(func.sum(Transaction.tokens_delta)).where(
        Transaction.user_id == bindparam("user_id"),
        Transaction.type == "promo",
        Transaction.bonus_key.like("referral:%"),
    )
)
_HISTORY = paging.Listing(
    select(*Referral.shown()).where(Referral.inviter_id == bindparam("owner_id")),
    Referral.number,
)
