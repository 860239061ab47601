"""Invitations: who invited whom, and the inviter's reward for an invitee who has paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, scalar, statement
from db.models import Payment, Referral, Transaction
from db.rows import LockedPayment, ReferralRow, UserRow
from services import events, funding, ledger, lotteries, paging, users

# A payment that is disputed may still be won; a refunded one stands no more.
STANDING = ("succeeded", "partly_refunded", "disputed")


class Unrewarded(NamedTuple):
    """An invitation whose reward is due when the invitee pays."""

    id: UUID
    inviter_id: UUID
    invitee_id: UUID


class Standing(NamedTuple):
    """A payment that stands, and the tokens it bought."""

    id: UUID
    tokens: Decimal


class Moved(NamedTuple):
    """How often a reward was moved, and what the inviter holds of it."""

    rows: int
    tokens: Decimal


class Counts(NamedTuple):
    """Invitees, and those of them who have paid."""

    invited: int
    paid: int


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
    counts = _counts.one(reader, user_id)
    earned = _earned(reader, user_id)
    return Stats(counts.invited, counts.paid, max(earned or Decimal(0), Decimal(0)))


def history(
    reader: Reader, user_id: UUID, *, limit: int, cursor: str | None
) -> paging.Page[ReferralRow[str]]:
    """The user's invitations, newest first. ApiError `user_not_found`."""
    return _HISTORY.page(reader, limit=limit, cursor=cursor, owner_id=user_id)


def reward(session: Session, payment: LockedPayment) -> None:
    """Reward the inviter because a payment of the invitee stands, in that payment's transaction.

    The first one earns the reward. When all were refunded and the reward was taken back, the next
    one earns it anew, less what could not be taken then: the inviter never holds it twice.
    The payment has locked the invitee's row; the inviter's is locked after it. Two people cannot
    have invited each other, so these locks cannot deadlock.
    """
    referral = _unrewarded.one_or_none(session, payment.user_id)
    if referral is None:
        return
    if ledger.lock_account(session, referral.inviter_id).erased_at is not None:
        return
    earlier = _moved(session, referral.inviter_id, referral.invitee_id)
    tokens = max(_reward_tokens(payment.tokens), earlier.tokens)
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
            bonus_key=_key(referral.invitee_id, earlier.rows),
            meta={"reason": "referral", "referralId": str(referral.id)},
        )


def take_back(session: Session, payment: LockedPayment) -> None:
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
    standing = _other_standing.one_or_none(session, payment.user_id, payment.id)
    if standing is None:
        left = Decimal(0)
        referral.returned_at = func.now()
        referral.reward_given = False
    else:
        left = _carried_over(referral.reward_tokens, standing.tokens)
        referral.payment_id = standing.id
    balance = ledger.lock_account(session, referral.inviter_id).balance_tokens
    due = referral.reward_tokens - left
    taken = min(due, balance)
    referral.reward_tokens -= taken
    session.flush()
    if taken:
        moved = _moved(session, referral.inviter_id, referral.invitee_id)
        ledger.post(
            session,
            referral.inviter_id,
            -taken,
            type="promo",
            bonus_key=_key(referral.invitee_id, moved.rows),
            meta={
                "reason": "referral_returned",
                "referralId": str(referral.id),
                "shortfallTokens": str(due - taken),
            },
        )


def _reward_tokens(bought: Decimal) -> Decimal:
    """What an inviter gets for a payment that bought so many tokens."""
    current = settings.load()
    share = bought * current.referral_bonus_percent / 100
    return ledger.rounded(current.referral_bonus_tokens + share)


def _carried_over(tokens: Decimal, bought: Decimal) -> Decimal:
    """What a reward of `tokens` becomes when it comes to rest on another payment, of `bought`.

    A percentage follows the payment: else one that is paid only to be refunded would count.
    """
    follows = settings.load().referral_bonus_percent > 0
    return min(tokens, _reward_tokens(bought)) if follows else tokens


def _key(invitee_id: UUID, rows: int) -> str:
    """The bonus_key of the next movement after `rows`; it is new while the inviter is locked."""
    first = f"referral:{invitee_id}"
    return f"{first}:{rows + 1}" if rows else first


def _moved(session: Session, inviter_id: UUID, invitee_id: UUID) -> Moved:
    return _select_moved.one(session, inviter_id, f"referral:{invitee_id}")


@statement(Unrewarded)
def _unrewarded(invitee_id: UUID) -> Query:
    """The invitee has never paid, or nothing that was paid stands any more."""
    return (
        select(Referral.id, Referral.inviter_id, Referral.invitee_id)
        .where(
            Referral.invitee_id == invitee_id,
            ~Referral.invitee_paid | Referral.returned_at.is_not(None),
        )
        .with_for_update()
    )


@statement(Standing)
def _other_standing(user_id: UUID, payment_id: UUID) -> Query:
    return (
        select(Payment.id, Payment.tokens)
        .where(
            Payment.user_id == user_id,
            Payment.id != payment_id,
            Payment.status.in_(STANDING),
        )
        .order_by(Payment.number)
        .limit(1)
    )


@statement(Moved)
def _select_moved(inviter_id: UUID, key: str) -> Query:
    return select(
        func.count().label("rows"),
        func.coalesce(func.sum(Transaction.tokens_delta), 0).label("tokens"),
    ).where(
        Transaction.user_id == inviter_id,
        Transaction.type == "promo",
        or_(Transaction.bonus_key == key, Transaction.bonus_key.startswith(key + ":")),
    )


@statement(Counts)
def _counts(inviter_id: UUID) -> Query:
    return select(
        func.count().label("invited"),
        func.count().filter(Referral.invitee_paid).label("paid"),
    ).where(Referral.inviter_id == inviter_id)


@scalar
def _earned(user_id: UUID) -> Select[Decimal | None]:
    return select(func.sum(Transaction.tokens_delta)).where(
        Transaction.user_id == user_id,
        Transaction.type == "promo",
        Transaction.bonus_key.like("referral:%"),
    )


_HISTORY = paging.Listing(
    ReferralRow[str],
    select(*Referral.shown(ReferralRow)).where(Referral.inviter_id == paging.OWNER),
    Referral.number,
)
