"""Tokens that an operator gives or takes manually, each time with a key and a reason."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import Record
from db.models import Transaction
from errors import ApiError
from services import events, funding, ledger


def grant(session: Session, user_id: UUID, tokens: Decimal, *, key: str, reason: str) -> Record:
    """Give tokens once per user and key; a repeat returns the first grant.

    ApiError `user_not_found`, `idempotency_key_reused` (same key, other amount).
    """
    return _once(session, user_id, tokens, f"grant:{key}", {"reason": "grant", "note": reason})


def withdraw(session: Session, user_id: UUID, tokens: Decimal, *, key: str, reason: str) -> Record:
    """Take tokens once per user and key; ledger.NotEnoughTokens when the balance is smaller.

    ApiError `user_not_found`, `idempotency_key_reused` (same key, other amount).
    """
    return _once(
        session, user_id, -tokens, f"withdraw:{key}", {"reason": "withdraw", "note": reason}
    )


def _once(
    session: Session, user_id: UUID, tokens: Decimal, bonus_key: str, meta: dict[str, str]
) -> Record:
    ledger.lock(session, user_id)
    first = session.execute(
        select(*Transaction.columns()).where(
            Transaction.user_id == user_id, Transaction.bonus_key == bonus_key
        )
    ).one_or_none()
    if first is None:
        columns = {"provider": "manual", "bonus_key": bonus_key, "meta": meta}
        if tokens < 0:
            return ledger.post(session, user_id, tokens, type="promo", **columns)
        news = events.bonus_granted("grant", tokens)
        return funding.credit(session, user_id, tokens, type="promo", news=news, **columns)
    if first.tokens_delta != tokens:
        raise ApiError("idempotency_key_reused", details={"firstTokens": str(first.tokens_delta)})
    return first
