"""Invitations: who invited whom, and the inviter's reward for an invitee who has paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Text, bindparam, func, select, update
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement
from db.models import Payment, Referral, Transaction
from db.rows import UserRow
from services import events, funding, ledger, lotteries, paging, users

# A payment that is disputed may still be won; a refunded one stands no more.
STANDING = ("succeeded", "partly_refunded", "disputed")


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


def link(user: UserRow) -> str:
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
    """Reward the inviter because a payment of the invitee stands, in that payment's transaction.

    The first one earns the reward. When all were refunded and the reward was taken back, the next
    one earns it anew, less what could not be taken then: the inviter never holds it twice.
    The payment has locked the invitee's row; the inviter's is locked after it. Two people cannot
    have invited each other, so these locks cannot deadlock.
    """
    referral = _UNREWARDED.one_or_none(session, invitee_id=payment.user_id)
    if referral is None:
        return
    ledger.lock(session, referral.inviter_id)
    earlier = _moved(session, referral)
    tokens = max(_reward_tokens(payment), earlier.tokens)
    session.execute(
        update(Referral)
        .where(Referral.id == referral.id)
        .values(
            invitee_paid=True,
            payment_id=payment.id,
            reward_tokens=tokens,
            reward_given=tokens > 0,
            returned_at=None,
        )
    )
    if tokens > earlier.tokens:
        funding.credit(
            session,
            referral.inviter_id,
            tokens - earlier.tokens,
            type="promo",
            news=events.bonus_granted("referral", tokens - earlier.tokens),
            bonus_key=_key(referral, earlier.rows),
            meta={"reason": "referral", "referralId": str(referral.id)},
        )


def take_back(session: Session, payment: Record) -> None:
    """Undo the reward when its payment is refunded in full within REFERRAL_RETURN_DAYS.

    If another payment of the invitee stands, the reward rests on that one from now on. The
    inviter's balance never goes below zero; what is missing is kept in the row's meta.
    """
    days = timedelta(days=settings.load().referral_return_days)
    referral = session.scalar(
        select(Referral)
        .where(
            Referral.payment_id == payment.id,
            Referral.reward_given,
            func.now() - payment.paid_at <= days,
        )
        .with_for_update()
    )
    if referral is None:
        return
    standing = _OTHER_STANDING.one_or_none(session, user_id=payment.user_id, payment_id=payment.id)
    if standing is None:
        left = Decimal(0)
        referral.returned_at = func.now()
        referral.reward_given = False
    else:
        left = _carried_over(referral.reward_tokens, standing)
        referral.payment_id = standing.id
    balance = ledger.lock(session, referral.inviter_id).balance_tokens
    due = referral.reward_tokens - left
    taken = min(due, balance)
    referral.reward_tokens -= taken
    session.flush()
    if taken:
        ledger.post(
            session,
            referral.inviter_id,
            -taken,
            type="promo",
            bonus_key=_key(referral, _moved(session, referral).rows),
            meta={
                "reason": "referral_returned",
                "referralId": str(referral.id),
                "shortfallTokens": str(due - taken),
            },
        )


def _reward_tokens(payment: Record) -> Decimal:
    current = settings.load()
    share = payment.tokens * current.referral_bonus_percent / 100
    return ledger.rounded(current.referral_bonus_tokens + share)


def _carried_over(tokens: Decimal, payment: Record) -> Decimal:
    """What a reward of `tokens` becomes when it comes to rest on another payment.

    A percentage follows the payment: else one that is paid only to be refunded would count.
    """
    follows = settings.load().referral_bonus_percent > 0
    return min(tokens, _reward_tokens(payment)) if follows else tokens


def _key(referral: Referral | Record, rows: int) -> str:
    """The bonus_key of the next movement after `rows`; it is new while the inviter is locked."""
    first = f"referral:{referral.invitee_id}"
    return f"{first}:{rows + 1}" if rows else first


def _moved(session: Session, referral: Referral | Record) -> Record:
    """How often the reward was moved (`rows`), and what the inviter holds of it (`tokens`)."""
    return _MOVED.one(
        session, inviter_id=referral.inviter_id, key=f"referral:{referral.invitee_id}"
    )


# The invitee has never paid, or nothing that was paid stands any more.
_UNREWARDED = Statement(
    select(Referral.id, Referral.inviter_id, Referral.invitee_id, Referral.returned_at)
    .where(
        Referral.invitee_id == bindparam("invitee_id"),
        ~Referral.invitee_paid | Referral.returned_at.is_not(None),
    )
    .with_for_update()
)
_OTHER_STANDING = Statement(
    select(Payment.id, Payment.tokens)
    .where(
        Payment.user_id == bindparam("user_id"),
        Payment.id != bindparam("payment_id"),
        Payment.status.in_(STANDING),
    )
    .order_by(Payment.number)
    .limit(1)
)
_MOVED = Statement(
    select(
        func.count().label("rows"),
        func.coalesce(func.sum(Transaction.tokens_delta), 0).label("tokens"),
    ).where(
        Transaction.user_id == bindparam("inviter_id"),
        Transaction.type == "promo",
        (Transaction.bonus_key == bindparam("key"))
        | Transaction.bonus_key.startswith(bindparam("key", type_=Text) + ":"),
    )
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
