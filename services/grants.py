"""Tokens that an operator gives or takes manually, each time with a key and a reason."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import false, select
from sqlalchemy.orm import Session

from db import Query, statement
from db.models import Transaction
from errors import ApiError
from services import events, funding, ledger
from services.ledger import About, Move


def grant(session: Session, user_id: UUID, tokens: Decimal, *, key: str, reason: str) -> Move:
    """Give tokens once per user and key; a repeat returns the first grant.

    ApiError `user_not_found`, `idempotency_key_reused` (same key, other amount).
    """
    return _once(session, user_id, tokens, f"grant:{key}", {"reason": "grant", "note": reason})


def withdraw(session: Session, user_id: UUID, tokens: Decimal, *, key: str, reason: str) -> Move:
    """Take tokens once per user and key; ledger.NotEnoughTokens when the balance is smaller.

    ApiError `user_not_found`, `idempotency_key_reused` (same key, other amount).
    """
    return _once(
        session, user_id, -tokens, f"withdraw:{key}", {"reason": "withdraw", "note": reason}
    )


def _once(
    session: Session, user_id: UUID, tokens: Decimal, bonus_key: str, meta: dict[str, str]
) -> Move:
    ledger.lock(session, user_id)
    first = _first.one_or_none(session, user_id, bonus_key)
    if first is None:
        about: About = {"provider": "manual", "bonus_key": bonus_key, "meta": meta}
        if tokens < 0:
            return ledger.post(session, user_id, tokens, type="promo", **about)
        news = events.bonus_granted("grant", tokens)
        return funding.credit(session, user_id, tokens, type="promo", news=news, **about)
    if first.tokens_delta != tokens:
        raise ApiError("idempotency_key_reused", details={"firstTokens": str(first.tokens_delta)})
    return first


@statement(Move)
def _first(user_id: UUID, bonus_key: str) -> Query:
    return select(
        Transaction.tokens_delta,
        Transaction.balance_after,
        false().label("has_waiting"),
    ).where(Transaction.user_id == user_id, Transaction.bonus_key == bonus_key)
