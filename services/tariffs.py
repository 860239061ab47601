"""Packages of tokens on offer."""

from __future__ import annotations

from sqlalchemy import Integer, bindparam, select

from db import Reader, Statement
from db.models import Tariff
from services import paging


def active(reader: Reader, *, limit: int, cursor: str | None) -> paging.Page:
    """Tariffs on offer in the operator's order (position, then age)."""
    offset = paging.decoded(cursor) if cursor else 0
    rows = _ACTIVE.all(reader, rows=limit + 1, offset=offset)
    more = len(rows) > limit
    return paging.Page(rows[:limit], paging.encoded(offset + limit) if more else None)


_ACTIVE = Statement(
    select(*Tariff.columns())
    .where(Tariff.active)
    .order_by(Tariff.position, Tariff.number)
    .offset(bindparam("offset", type_=Integer))
    .limit(bindparam("rows", type_=Integer))
)
