"""Lotteries while they run: periods, entries, links. The draw is in services/draws.py."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from psycopg2 import errorcodes
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import Query, Reader, scalar, statement
from db.models import Lottery, LotteryEntry, LotteryWinner
from db.rows import LotteryEntryRow, LotteryRow, LotteryWinnerRow
from db.types import number
from errors import ApiError
from services import paging, users

MAX_LINKS = 20
# A draw of this many among 200 000 entries takes seconds, well within its transaction's limits.
MAX_PLACES = 1000


class LotteryColumns(TypedDict, total=False):
    """What may change in a lottery that has not been drawn."""

    title: str
    description: str
    end_date: datetime


@dataclass(frozen=True)
class Prize:
    """What one or more winners get; tokens are credited by the draw, the rest by hand."""

    title: str
    count: int
    tokens: Decimal

    def as_json(self) -> dict[str, Any]:
        """The contract's object in Lottery.prizes."""
        return {"title": self.title, "count": self.count, "tokens": number(self.tokens)}


def recent(reader: Reader, *, limit: int) -> list[LotteryRow]:
    """The newest lotteries, including those closed without a draw."""
    return _recent.all(reader, limit)


def listed(reader: Reader, *, limit: int, cursor: str | None) -> paging.Page[LotteryRow]:
    """All lotteries, newest first, including those closed without a draw."""
    return _ALL.page(reader, limit=limit, cursor=cursor)


def entries(
    reader: Reader, lottery_id: UUID, *, limit: int, cursor: str | None
) -> paging.Page[LotteryEntryRow]:
    """Who takes part, in no order that says anything."""
    return _ENTRIES.page(reader, limit=limit, cursor=cursor, lottery=lottery_id)


def create(
    session: Session,
    *,
    title: str,
    description: str,
    start_date: datetime,
    end_date: datetime,
    prizes: list[Prize],
    new_seed: Callable[[], str] = lambda: secrets.token_hex(32),
) -> LotteryRow:
    """A lottery whose seed is generated now and published only as its SHA-256.

    ValueError when another lottery runs in the same period, as at most one is current; when the
    end is not after the start, or when there are more than MAX_PLACES prizes.
    """
    if sum(prize.count for prize in prizes) > MAX_PLACES:
        raise ValueError(f"a lottery has at most {MAX_PLACES} prizes")
    seed = new_seed()
    lottery = Lottery(
        title=title,
        description=description,
        start_date=start_date,
        end_date=end_date,
        prizes=[prize.as_json() for prize in prizes],
        seed=seed,
        seed_hash=hashlib.sha256(seed.encode()).hexdigest(),
    )
    _check_period(lottery)
    session.add(lottery)
    _flush(session)
    return get(session, lottery.id)


def cancel(session: Session, lottery_id: UUID) -> None:
    """End a lottery without a draw. ValueError when it has been drawn or closed."""
    _locked(session, lottery_id).canceled_at = func.now()
    session.flush()


def get(reader: Reader, lottery_id: UUID) -> LotteryRow:
    """ValueError when there is no such lottery."""
    lottery = _select.one_or_none(reader, lottery_id)
    if lottery is None:
        raise ValueError("there is no such lottery")
    return lottery


def change(session: Session, lottery_id: UUID, **columns: Unpack[LotteryColumns]) -> LotteryRow:
    """Change the texts or the end of an undrawn lottery. ValueError, as for a new one.

    Prizes cannot change: people took part for them.
    """
    lottery = _locked(session, lottery_id)
    for column, value in columns.items():
        setattr(lottery, column, value)
    _check_period(lottery)
    _flush(session)
    return get(session, lottery_id)


def current(reader: Reader, *, now: datetime) -> LotteryRow:
    """The lottery running at `now`. ApiError `no_current_lottery`."""
    lottery = _current.one_or_none(reader, now)
    if lottery is None:
        raise ApiError("no_current_lottery")
    return lottery


def history(reader: Reader, *, limit: int, cursor: str | None) -> paging.Page[LotteryRow]:
    """All lotteries that were not cancelled, newest first."""
    return _HISTORY.page(reader, limit=limit, cursor=cursor)


def winners_of(reader: Reader, lottery_ids: list[UUID]) -> dict[UUID, list[LotteryWinnerRow]]:
    """Winners by lottery, ordered by place; a redrawn place shows its last round."""
    found: dict[UUID, list[LotteryWinnerRow]] = {}
    for row in _winners.all(reader, lottery_ids):
        found.setdefault(row.lottery_id, []).append(row)
    return found


def entry_of(reader: Reader, user_id: UUID, *, now: datetime) -> LotteryEntryRow:
    """The user's entry in the current lottery.

    ApiError `user_not_found`, `no_current_lottery`, `entry_not_found`.
    """
    users.require(reader, user_id)
    lottery = current(reader, now=now)
    entry = _select_entry.one_or_none(reader, lottery.id, user_id)
    if entry is None:
        raise ApiError("entry_not_found")
    return entry


def submit_social(
    session: Session, user_id: UUID, links: list[str], *, now: datetime
) -> LotteryEntryRow:
    """Add links to the user's entry, which the first call creates; known links count once.

    ApiError `user_not_found`, `no_current_lottery`, `bad_request` beyond MAX_LINKS in total.
    """
    users.get(session, user_id)
    lottery = current(session, now=now)
    entry = _entry(session, lottery.id, user_id)
    if entry is None:
        raise ApiError("no_current_lottery")
    users.require(session, user_id)  # an erasure may have come while this waited for the entry
    merged = list(dict.fromkeys([*entry.social_links, *links]))
    if len(merged) > MAX_LINKS:
        raise ApiError("bad_request", details={"socialLinks": f"at most {MAX_LINKS} in all"})
    entry.social_links = merged
    session.flush()
    return _select_entry.one(session, lottery.id, user_id)


def count_referral(session: Session, inviter_id: UUID) -> None:
    """Count a person invited while a lottery runs; the first one creates the inviter's entry.

    Someone who registers at the very moment of the draw is not counted, but is still registered.
    """
    lottery_id = _current_id(session)
    entry = None if lottery_id is None else _entry(session, lottery_id, inviter_id)
    if entry is not None:
        session.execute(
            update(LotteryEntry)
            .where(LotteryEntry.id == entry.id)
            .values(referral_count=LotteryEntry.referral_count + 1)
        )


def _locked(session: Session, lottery_id: UUID) -> Lottery:
    lottery = session.scalar(select(Lottery).where(Lottery.id == lottery_id).with_for_update())
    if lottery is None:
        raise ValueError("there is no such lottery")
    if lottery.drawn_at is not None or lottery.canceled_at is not None:
        raise ValueError(f"this lottery has been {'drawn' if lottery.drawn_at else 'closed'}")
    return lottery


def _check_period(lottery: Lottery) -> None:
    if lottery.start_date >= lottery.end_date:
        raise ValueError("the end must come after the start")


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.EXCLUSION_VIOLATION:
            raise ValueError("another lottery runs in this period") from error
        raise


def _entry(session: Session, lottery_id: UUID, user_id: UUID) -> LotteryEntry | None:
    """The user's entry, created if need be and locked; None when the draw came first.

    The lottery is locked against its draw, which must not miss an entry or a link that a request
    is still writing.
    """
    undrawn = session.scalar(
        select(Lottery.id)
        .where(Lottery.id == lottery_id, Lottery.drawn_at.is_(None))
        .with_for_update(read=True, key_share=True)
    )
    if undrawn is None:
        return None
    session.execute(
        insert(LotteryEntry).values(lottery_id=lottery_id, user_id=user_id).on_conflict_do_nothing()
    )
    return session.scalars(
        select(LotteryEntry)
        .where(LotteryEntry.lottery_id == lottery_id, LotteryEntry.user_id == user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _is_current(moment: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(
        Lottery.start_date <= moment, Lottery.end_date > moment, Lottery.canceled_at.is_(None)
    )


@statement(LotteryRow)
def _select(lottery_id: UUID) -> Query:
    return select(*Lottery.columns(LotteryRow)).where(Lottery.id == lottery_id)


@statement(LotteryRow)
def _recent(limit: int) -> Query:
    return select(*Lottery.columns(LotteryRow)).order_by(Lottery.number.desc()).limit(limit)


@statement(LotteryRow)
def _current(at: datetime) -> Query:
    return select(*Lottery.columns(LotteryRow)).where(_is_current(at))


@scalar
def _current_id() -> Select[UUID]:
    return select(Lottery.id).where(_is_current(func.clock_timestamp()))


_HISTORY = paging.Listing(
    LotteryRow,
    select(*Lottery.columns(LotteryRow)).where(Lottery.canceled_at.is_(None)),
    Lottery.number,
)


_ENTRIES = paging.Filtered(
    LotteryEntryRow,
    select(*LotteryEntry.columns(LotteryEntryRow)),
    {LotteryEntry.user_id: UUID},
    lottery=LotteryEntry.lottery_id == bindparam("lottery", type_=Uuid),
)
_ALL = paging.Listing(LotteryRow, select(*Lottery.columns(LotteryRow)), Lottery.number)


@statement(LotteryWinnerRow)
def _winners(lottery_ids: list[UUID]) -> Query:
    return (
        select(*LotteryWinner.columns(LotteryWinnerRow))
        .where(LotteryWinner.lottery_id == any_(type_coerce(lottery_ids, ARRAY(Uuid))))
        .ext(distinct_on(LotteryWinner.lottery_id, LotteryWinner.place))
        .order_by(LotteryWinner.lottery_id, LotteryWinner.place, LotteryWinner.round.desc())
    )


@statement(LotteryEntryRow)
def _select_entry(lottery_id: UUID, user_id: UUID) -> Query:
    return select(*LotteryEntry.columns(LotteryEntryRow)).where(
        LotteryEntry.lottery_id == lottery_id, LotteryEntry.user_id == user_id
    )
