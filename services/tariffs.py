"""Packages of tokens on offer."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Tariff
from services import paging


def active(session: Session, *, limit: int, cursor: str | None) -> paging.Page[Tariff]:
    """Tariffs on offer in the operator's order (position, then age)."""
    offset = paging.decoded(cursor) if cursor else 0
    rows = list(
        session.scalars(
            select(Tariff)
            .where(Tariff.active)
            .order_by(Tariff.position, Tariff.number)
            .offset(offset)
            .limit(limit + 1)
        )
    )
    more = len(rows) > limit
    return paging.Page(rows[:limit], paging.encoded(offset + limit) if more else None)
