"""Packages of tokens, and what rubles buy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict, Unpack
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, statement
from db.models import Tariff
from db.rows import TariffRow
from db.types import MAX_AMOUNT, number
from errors import ApiError
from services import ledger, paging, versions


class TariffColumns(TypedDict, total=False):
    """What the operator decides about a tariff: texts, whole tokens, rubles, its position."""

    title: str
    monthly_tokens: int
    cost_rub: Decimal
    position: int
    active: bool


@dataclass(frozen=True)
class Offer:
    """What an amount of rubles buys; `tariff` is None for a free amount."""

    tokens: Decimal
    tariff: TariffRow | None


def active(reader: Reader, *, limit: int, cursor: str | None) -> paging.Page[TariffRow]:
    """Tariffs on offer in the operator's order (position, then age).

    The cursor is an offset: the operator may move a tariff to any position between two pages.
    """
    offset = paging.decoded(cursor) if cursor else 0
    rows = _active.all(reader, rows=limit + 1, offset=offset)
    more = len(rows) > limit
    return paging.Page(rows[:limit], paging.encoded(offset + limit) if more else None)


def offer(session: Session, amount_rub: Decimal, plan: str | None) -> Offer:
    """What this amount buys: the tokens of a tariff, or its worth by TOKEN_PRICE_RUB.

    ApiError `tariff_not_found`, `amount_mismatch` (not the tariff's price), `amount_out_of_range`.
    """
    current = settings.load()
    if plan is not None:
        tariff = _planned(session, plan)
        if amount_rub != tariff.cost_rub:
            raise ApiError("amount_mismatch", details={"costRub": number(tariff.cost_rub)})
        return Offer(Decimal(tariff.monthly_tokens), tariff)
    if not current.min_payment_rub <= amount_rub <= current.max_payment_rub:
        raise ApiError(
            "amount_out_of_range",
            details={
                "minRub": number(current.min_payment_rub),
                "maxRub": number(current.max_payment_rub),
            },
        )
    tokens = ledger.rounded(amount_rub / current.token_price_rub)
    if not 0 < tokens <= MAX_AMOUNT:
        raise ApiError("amount_out_of_range")
    return Offer(tokens, None)


def all_tariffs(reader: Reader) -> list[TariffRow]:
    """Every tariff that ever existed, those on offer first."""
    return _all.all(reader)


def by_id(reader: Reader, tariff_id: UUID) -> TariffRow | None:
    """The tariff with this id, on offer or not."""
    return _by_id.one_or_none(reader, tariff_id)


def sells(reader: Reader, tariff_id: UUID | None, *, amount_rub: Decimal, tokens: Decimal) -> bool:
    """Whether these rubles buy these tokens now: in this tariff, on offer or not, or in none."""
    if tariff_id is None:
        return tokens == ledger.rounded(amount_rub / settings.load().token_price_rub)
    tariff = by_id(reader, tariff_id)
    return tariff is not None and tariff.cost_rub == amount_rub and tariff.monthly_tokens == tokens


def add(session: Session, name: str, **columns: Unpack[TariffColumns]) -> None:
    """Offer a new tariff. ValueError when the name is taken, or no address could have it."""
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise ValueError("a name is part of an address: nothing in it is empty or dots only")
    if session.scalar(select(Tariff.id).where(Tariff.name == name)):
        raise ValueError("there is a tariff of this name")
    session.add(Tariff(name=name, **columns))


def find(reader: Reader, name: str) -> TariffRow:
    """The tariff of this name, on offer or not. ValueError when there is none."""
    tariff = _by_name.one_or_none(reader, name)
    if tariff is None:
        raise ValueError("there is no such tariff")
    return tariff


def change(
    session: Session, name: str, *, seen: str | None = None, **columns: Unpack[TariffColumns]
) -> None:
    """Change a tariff; payments keep the terms they were opened with.

    ValueError when there is no such tariff, or it is not the one that was `seen`: see
    services/versions.py.
    """
    tariff = session.scalar(select(Tariff).where(Tariff.name == name).with_for_update())
    if tariff is None:
        raise ValueError("there is no such tariff")
    versions.require(find(session, name), seen)
    for column, value in columns.items():
        setattr(tariff, column, value)


def _planned(reader: Reader, plan: str) -> TariffRow:
    """The active tariff with this id or name."""
    try:
        plan_id = UUID(plan)
    except ValueError:
        plan_id = None
    tariff = _find.one_or_none(reader, plan, plan_id)
    if tariff is None:
        raise ApiError("tariff_not_found")
    return tariff


@statement(TariffRow)
def _find(name: str, tariff_id: UUID | None) -> Query:
    named = or_(Tariff.name == name, Tariff.id == tariff_id)
    return select(*Tariff.columns(TariffRow)).where(Tariff.active, named).limit(1)


@statement(TariffRow)
def _by_id(tariff_id: UUID) -> Query:
    return select(*Tariff.columns(TariffRow)).where(Tariff.id == tariff_id)


@statement(TariffRow)
def _by_name(name: str) -> Query:
    return select(*Tariff.columns(TariffRow)).where(Tariff.name == name)


@statement(TariffRow)
def _active(rows: int, offset: int) -> Query:
    return (
        select(*Tariff.columns(TariffRow))
        .where(Tariff.active)
        .order_by(Tariff.position, Tariff.number)
        .offset(offset)
        .limit(rows)
    )


@statement(TariffRow)
def _all() -> Query:
    return select(*Tariff.columns(TariffRow)).order_by(
        Tariff.active.desc(), Tariff.position, Tariff.number
    )
