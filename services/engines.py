"""Engines of providers: how much may be ordered from each, and how much is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement
from db.models import Engine, GenerationAttempt
from services import breakers

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Room:
    """What may be ordered from an engine now.

    orders: how many more, for in flight and a minute. money: what may still be spent today in the
    engine's currency, None without a limit.
    """

    orders: int
    money: Decimal | None


def lock(session: Session, name: str) -> bool:
    """Be the only one to order from this engine until the transaction ends; False when another
    worker is at it.
    """
    locked: bool = _TRY_LOCK.scalar(session, key=f"engine {name}")
    return locked


def room(session: Session, name: str, *, now: datetime) -> Room:
    """What may be ordered now; the caller holds the lock of lock()."""
    engine = _ONE.one(session, name=name)
    use = usage(session, name, now=now)
    orders = min(engine.max_in_flight - use.in_flight, engine.creates_per_minute - use.last_minute)
    if breakers.read(session, name).is_on_trial(now):
        orders = min(orders, 1 - use.being_sent)
    money = None if engine.daily_cost is None else engine.daily_cost - use.cost_today
    return Room(max(orders, 0), money)


def usage(reader: Reader, name: str, *, now: datetime) -> Record:
    """in_flight, being_sent (of those), last_minute, and cost_today of what is or may be charged,
    in the engine's currency.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return _USAGE.one(reader, name=name, minute_ago=now - MINUTE, today=today)


def cost_limits() -> dict[str, Decimal]:
    """What one job may cost us at providers, by currency."""
    current = settings.load()
    return {"USD": current.job_cost_limit_usd, "RUB": current.job_cost_limit_rub}


def currency(reader: Reader, name: str) -> str | None:
    """What an engine is paid in; None for an engine of no provider."""
    found: str | None = _CURRENCY.scalar(reader, name=name)
    return found


def all_engines(reader: Reader) -> list[Record]:
    """Every engine with its limits and its breaker."""
    return _ALL.all(reader)


def change(session: Session, name: str, **columns: Any) -> None:
    """Change the limits of an engine; another daily limit opens one that the old one had closed.

    ValueError when there is no such engine.
    """
    engine = session.get(Engine, name, with_for_update=True)
    if engine is None:
        raise ValueError("there is no such engine")
    for column, value in columns.items():
        setattr(engine, column, value)
    if "daily_cost" in columns and engine.open_code == breakers.DAILY_COST:
        engine.open_until = engine.open_code = None


_TRY_LOCK = Statement(
    select(func.pg_try_advisory_xact_lock(func.hashtextextended(bindparam("key"), 0)))
)
_CURRENCY = Statement(select(Engine.currency).where(Engine.name == bindparam("name")))
_ONE = Statement(select(*Engine.columns()).where(Engine.name == bindparam("name")))
_ALL = Statement(select(*Engine.columns()).order_by(Engine.name))
_OF_ENGINE = GenerationAttempt.engine == bindparam("name")
_OPEN = GenerationAttempt.ended_at.is_(None)
_SPENT = func.coalesce(GenerationAttempt.cost_actual, GenerationAttempt.cost_estimate)
_USAGE = Statement(
    select(
        select(func.count()).where(_OF_ENGINE, _OPEN).scalar_subquery().label("in_flight"),
        select(func.count())
        .where(_OF_ENGINE, _OPEN, GenerationAttempt.state.in_(("preparing", "creating")))
        .scalar_subquery()
        .label("being_sent"),
        select(func.count())
        .where(
            _OF_ENGINE,
            GenerationAttempt.created_at
            > bindparam("minute_ago", type_=GenerationAttempt.created_at.type),
        )
        .scalar_subquery()
        .label("last_minute"),
        select(func.coalesce(func.sum(_SPENT), 0))
        .where(
            _OF_ENGINE,
            GenerationAttempt.created_at
            >= bindparam("today", type_=GenerationAttempt.created_at.type),
            (GenerationAttempt.charged != "no") | _OPEN,
        )
        .scalar_subquery()
        .label("cost_today"),
    )
)
