"""From the queue to the engines of providers: orders what is due as far as there is room.

No photo is touched and no provider asked here, but for the health of an account in trouble: an
attempt is written for each job, and workflows/generation.py makes the order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from db import reading, transaction
from db.types import now
from providers import registry
from providers.engine import EngineError
from providers.engine.remote import Problem, Trouble
from services import breakers, engines, models, remote_queue

log = logging.getLogger(__name__)

FAILED_AT_ONCE = 20  # jobs that have waited too long, ended in one turn


def order_due(chance: Random, *, clock: Callable[[], datetime] = now) -> int:
    """Begin attempts for due jobs of every engine; returns how many."""
    with reading() as reader:
        names = remote_queue.engines_with_work(reader)
    return sum(_order(name, chance, clock()) for name in names)


def give_up_waiting(clock: Callable[[], datetime] = now) -> int:
    """End jobs that have waited too long for engines that take no orders; returns how many."""
    for ended in range(FAILED_AT_ONCE):
        with transaction() as session:
            engine = remote_queue.give_up_waiting(session, now=clock())
        if engine is None:
            return ended
        log.error("engine %s took no orders: a job was given up, tokens back", engine)
    return FAILED_AT_ONCE


def _order(engine: str, chance: Random, moment: datetime) -> int:
    if not models.is_connected(engine):  # here; another worker may have its key
        _move_on(engine, moment)
        return 0
    with transaction() as session:
        breaker = breakers.read(session, engine)
    if breaker.needs_probe(moment):
        _probe(engine, moment)
    if breaker.is_open(moment):
        _move_on(engine, moment)
        return 0
    with transaction() as session:
        if not engines.lock(session, engine):
            return 0  # another worker is at it
        room = engines.room(session, engine, now=moment)
        taken = remote_queue.take(session, engine, room, chance=chance)
    if taken.out_of_money:
        _close_for_today(engine, moment)
    return taken.begun


def _probe(engine: str, moment: datetime) -> None:
    """Ask a provider whether our account is well again, without ordering anything."""
    try:
        problem = registry.remote_engine(engine).health().problem
    except EngineError as error:
        problem = Problem(Trouble.AUTH, "not_connected", error.detail)
    code = problem.trouble if problem else None
    detail = problem.detail if problem else ""
    with transaction() as session:
        breakers.probed(session, engine, now=moment, code=code, detail=detail)
    log.info("engine %s: account checked", engine, extra={"code": code or "well"})


def _move_on(engine: str, moment: datetime) -> None:
    with transaction() as session:
        closed = remote_queue.closed_engines(session, moment)
        moved = remote_queue.move_on(session, engine, closed=closed)
    if moved:
        log.info("engine %s takes no orders: %d jobs moved to others", engine, moved)


def _close_for_today(engine: str, moment: datetime) -> None:
    tomorrow = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    with transaction() as session:
        news = breakers.pause(session, engine, until=tomorrow, code=breakers.DAILY_COST)
    if news:
        log.error("engine %s reached its daily limit of cost: closed until midnight UTC", engine)
