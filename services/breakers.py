"""Breakers: an engine in trouble gets no new orders until it is well again.

One row of `engines` each, shared by all workers. Only new orders stop: what a provider has accepted
is asked for as before. What is wrong with one photo or one model never counts.

    closed   orders go out; of the last ten, five failures open it
    open     none goes out until `open_until`; trouble with the account then needs a good health()
    trial    one order goes out: it closes the breaker, or opens it again for twice as long
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, UpdateBase, func, or_, select, update
from sqlalchemy.orm import Session

from db import Query, scalar, statement, write
from db.models import Engine
from db.rows import EngineRow

ACCOUNT_CODES = frozenset({"credit", "auth", "lock"})
PROBE_PAUSE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=15)
WINDOW, TOO_MANY = 10, 5
MOST_TRIPS = 5
BURST, BUSY, DAILY_COST, TRIAL = "failures", "busy", "daily_cost", "trial"
PAUSES = frozenset({BUSY, DAILY_COST})
DETAIL_LENGTH = 300


class Breaker(NamedTuple):
    """The state of one; the methods tell the next one."""

    open_until: datetime | None = None
    open_code: str | None = None
    open_detail: str = ""
    trips: int = 0
    recent: str = ""

    def is_open(self, now: datetime) -> bool:
        """Whether nothing may be ordered, not even as a trial."""
        return self.open_until is not None and (
            self.open_until > now or self.open_code in ACCOUNT_CODES
        )

    def needs_probe(self, now: datetime) -> bool:
        """Whether the provider should be asked if the account is well again."""
        return self.open_code in ACCOUNT_CODES and (self.open_until or now) <= now

    def is_on_trial(self, now: datetime) -> bool:
        """Whether one order may go out, and no second one before that has been accepted."""
        return not self.is_open(now) and self.trips > 0

    def after_success(self, now: datetime) -> Breaker:
        """An order was accepted. It may have been sent before a pause began, which stays."""
        well = Breaker(recent=(self.recent + "s")[-WINDOW:])
        if self.open_code in PAUSES and self.is_open(now):
            return well._replace(open_until=self.open_until, open_code=self.open_code)
        return well

    def after_failure(self, now: datetime, detail: str) -> Breaker:
        """An order failed because the provider was in trouble."""
        recent = (self.recent + "f")[-WINDOW:]
        if self.is_open(now) or not (self.trips or recent.count("f") >= TOO_MANY):
            return self._replace(recent=recent)
        pause = min(FIRST_PAUSE * 2**self.trips, LONGEST_PAUSE)
        return self._opened(now + pause, BURST, detail)

    def after_lockout(self, now: datetime, code: str, detail: str) -> Breaker:
        """The account is out of credit, locked, or its key is refused. code: of ACCOUNT_CODES."""
        return self._opened(now + PROBE_PAUSE, code, detail)

    def after_probe(self, now: datetime, code: str | None, detail: str) -> Breaker:
        """health() said this; code None is that all is well."""
        if code is None:
            return self._replace(open_until=now, open_code=TRIAL)
        return self._replace(open_until=now + PROBE_PAUSE, open_detail=detail)

    def paused(self, until: datetime, code: str) -> Breaker:
        """Nothing goes out until then, without a trial afterwards."""
        if self.open_until is not None and self.open_until >= until:
            return self
        return self._replace(open_until=until, open_code=code, open_detail="")

    def _opened(self, until: datetime, code: str, detail: str) -> Breaker:
        trips = min(self.trips + 1, MOST_TRIPS)
        return Breaker(until, code, detail[:DETAIL_LENGTH], trips)


def of(engine: EngineRow) -> Breaker:
    """The breaker of an engine, as it was read with it."""
    return Breaker(
        engine.open_until, engine.open_code, engine.open_detail, engine.trips, engine.recent
    )


def read(session: Session, engine: str) -> Breaker:
    """The breaker of an engine, its row locked until the transaction ends."""
    return _lock.one(session, engine)


def succeeded(session: Session, engine: str, *, now: datetime) -> None:
    """Note that an order was accepted; writes only when that changes something."""
    if _in_trouble(session, engine):
        _store(session, engine, read(session, engine).after_success(now))


def failed(session: Session, engine: str, *, now: datetime, detail: str) -> bool:
    """Note that an order met trouble of the provider; whether that opened the breaker."""
    before = read(session, engine)
    after = before.after_failure(now, detail)
    _store(session, engine, after)
    return after.open_until != before.open_until


def locked_out(session: Session, engine: str, *, now: datetime, code: str, detail: str) -> bool:
    """Note trouble with the account; whether that is news to the operator."""
    before = read(session, engine)
    _store(session, engine, before.after_lockout(now, code, detail))
    return before.open_code not in (code, TRIAL)


def probed(
    session: Session, engine: str, *, now: datetime, code: str | None, detail: str = ""
) -> None:
    """Store what health() said about an account in trouble; code None is that all is well."""
    before = read(session, engine)
    if before.needs_probe(now):  # another worker may have been quicker
        _store(session, engine, before.after_probe(now, code, detail))


def pause(session: Session, engine: str, *, until: datetime, code: str) -> bool:
    """Order nothing until then; whether that is news."""
    before = read(session, engine)
    _store(session, engine, before.paused(until, code))
    return before.open_code != code


def close(session: Session, engine: str) -> None:
    """Let orders go out at once: the operator has mended it."""
    _store(session, engine, Breaker())


def _store(session: Session, engine: str, breaker: Breaker) -> None:
    _update(session, engine, *breaker)


@statement(Breaker)
def _lock(name: str) -> Query:
    return select(*Engine.columns(Breaker)).where(Engine.name == name).with_for_update()


@scalar
def _in_trouble(name: str) -> Select[bool]:
    troubled = or_(Engine.trips > 0, Engine.open_code.is_not(None), Engine.recent.contains("f"))
    return select(troubled).where(Engine.name == name)


@write
def _update(
    name: str,
    open_until: datetime | None,
    open_code: str | None,
    open_detail: str,
    trips: int,
    recent: str,
) -> UpdateBase:
    return (
        update(Engine)
        .where(Engine.name == name)
        .values(
            open_until=open_until,
            open_code=open_code,
            open_detail=open_detail,
            trips=trips,
            recent=recent,
            updated_at=func.now(),
        )
    )
