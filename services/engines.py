"""Engines of providers: how much may be ordered from each, and how much is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypedDict, Unpack

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, scalar, statement
from db.models import Engine, GenerationAttempt
from db.rows import EngineRow
from services import breakers, versions

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Room:
    """What may be ordered from an engine now.

    orders: how many more, for in flight and a minute. money: what may still be spent today in the
    engine's currency, None without a limit.
    """

    orders: int
    money: Decimal | None


class EngineLimits(TypedDict, total=False):
    """Columns of an engine that the operator sets; daily_cost in its currency, None is no limit."""

    max_in_flight: int
    creates_per_minute: int
    daily_cost: Decimal | None


class Usage(NamedTuple):
    """being_sent: of those in flight. cost_today: of what is or may be charged, in its currency."""

    in_flight: int
    being_sent: int
    last_minute: int
    cost_today: Decimal


def lock(session: Session, name: str) -> bool:
    """Be the only one to order from this engine until the transaction ends; False when another
    worker is at it.
    """
    return bool(_try_lock(session, f"engine {name}"))


def room(session: Session, name: str, *, now: datetime) -> Room:
    """What may be ordered now; the caller holds the lock of lock()."""
    engine = _one.one(session, name)
    use = usage(session, name, now=now)
    orders = min(engine.max_in_flight - use.in_flight, engine.creates_per_minute - use.last_minute)
    if breakers.read(session, name).is_on_trial(now):
        orders = min(orders, 1 - use.being_sent)
    money = None if engine.daily_cost is None else engine.daily_cost - use.cost_today
    return Room(max(orders, 0), money)


def usage(reader: Reader, name: str, *, now: datetime) -> Usage:
    """What is ordered from an engine at this moment, and was today (UTC)."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return _usage.one(reader, name, now - MINUTE, today)


def cost_limits() -> dict[str, Decimal]:
    """What one job may cost us at providers, by currency."""
    current = settings.load()
    return {"USD": current.job_cost_limit_usd, "RUB": current.job_cost_limit_rub}


def currency(reader: Reader, name: str) -> str | None:
    """What an engine is paid in; None for an engine of no provider."""
    return _currency(reader, name)


def all_engines(reader: Reader) -> list[EngineRow]:
    """Every engine with its limits and its breaker."""
    return _all.all(reader)


def find(reader: Reader, name: str) -> EngineRow:
    """ValueError when there is no such engine."""
    engine = _one.one_or_none(reader, name)
    if engine is None:
        raise ValueError("there is no such engine")
    return engine


def limits(engine: EngineRow | Engine) -> tuple[int, int, Decimal | None]:
    """What the operator sets of an engine, for services/versions.py; its breaker changes often."""
    return engine.max_in_flight, engine.creates_per_minute, engine.daily_cost


def change(
    session: Session, name: str, *, seen: str | None = None, **columns: Unpack[EngineLimits]
) -> None:
    """Change the limits of an engine; another daily limit opens one that the old one had closed.

    ValueError when there is no such engine, or its limits are not those that were `seen`.
    """
    engine = session.get(Engine, name, with_for_update=True)
    if engine is None:
        raise ValueError("there is no such engine")
    versions.require(limits(engine), seen)
    for column, value in columns.items():
        setattr(engine, column, value)
    if "daily_cost" in columns and engine.open_code == breakers.DAILY_COST:
        engine.open_until = engine.open_code = None


@scalar
def _try_lock(key: str) -> Select[bool]:
    return select(func.pg_try_advisory_xact_lock(func.hashtextextended(key, 0)))


@scalar
def _currency(name: str) -> Select[str]:
    return select(Engine.currency).where(Engine.name == name)


@statement(EngineRow)
def _one(name: str) -> Query:
    return select(*Engine.columns(EngineRow)).where(Engine.name == name)


@statement(EngineRow)
def _all() -> Query:
    return select(*Engine.columns(EngineRow)).order_by(Engine.name)


@statement(Usage)
def _usage(name: str, minute_ago: datetime, today: datetime) -> Query:
    here = GenerationAttempt.engine == name
    open_here = and_(here, GenerationAttempt.ended_at.is_(None))
    since = GenerationAttempt.created_at
    being_sent = GenerationAttempt.state.in_(("preparing", "creating"))
    spent = func.coalesce(GenerationAttempt.cost_actual, GenerationAttempt.cost_estimate)
    counted = or_(GenerationAttempt.charged != "no", GenerationAttempt.ended_at.is_(None))
    count, cost = select(func.count()), select(func.coalesce(func.sum(spent), 0))
    return select(
        count.where(open_here).scalar_subquery().label("in_flight"),
        count.where(open_here, being_sent).scalar_subquery().label("being_sent"),
        count.where(here, since > minute_ago).scalar_subquery().label("last_minute"),
        cost.where(here, since >= today, counted).scalar_subquery().label("cost_today"),
    )
