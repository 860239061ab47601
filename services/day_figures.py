"""The figures of one day, computed from the tables they are about, and kept in daily_figures.

    kind             dimension       n, rub, tokens, cost
    paid             provider        payments, their rubles and tokens
    returned         provider        moves of refunds and chargebacks; rubles and tokens taken back
    moved            type            moves of the ledger and their tokens, signed
    done             service         orders, and the tokens they consumed
    failed           code            orders that ended without a result
    engine_seconds   service         seconds of our own engine, of what was delivered
    engine_cost      engine currency attempts on our bill, and what they cost in that currency
    wait_p50, _p95   service         milliseconds from the charge to the first worker
    work_p50, _p95   service         milliseconds from the first worker to the result

Money counts on the day on which it is booked, as the ledger's own moment says: a late refund
belongs to the day of the refund, and a day that has passed changes no more. Revenue is rubles that
providers took minus those that went back; it is never derived from tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Select, bindparam, delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from db import Query, Reader, allow_seconds, scalar, statement
from db.models import CohortFigure, DailyFigure, FigureDay, User
from db.types import UtcDateTime
from services import days

LOCK = 5_190_627_714  # any number; of PostgreSQL's advisory locks
FRESH = timedelta(seconds=50)  # what another worker computed so recently is not computed again
# A day of many orders on a busy machine takes longer than a statement of a request may.
MOST_SECONDS = 30
# A transaction that began before midnight may commit after it.
STRAGGLERS = timedelta(hours=1)


class Figure(NamedTuple):
    """A row of daily_figures without its day."""

    kind: str
    dimension: str
    n: int
    rub: Decimal
    tokens: Decimal
    cost: Decimal


class Step(NamedTuple):
    """How many of those who registered on a day took a step for the first time."""

    step: str
    registered_on: date
    people: int


def due(reader: Reader, *, now: datetime, older: int) -> list[date]:
    """Today, then up to `older` days that were not computed after they had ended, without fresh
    ones.

    They are yesterday, soon after midnight, and those of the time before there were figures, or
    when no worker ran.
    """
    today = days.of(now)
    fresh = set(_fresh.all(reader, today - days.ONE, now - FRESH))
    left = _unfinished(reader, until=today - days.ONE, limit=older)
    return [day for day in (today, *left) if day not in fresh]


def compute(session: Session, day: date, *, now: datetime, wait: bool = False) -> bool:
    """Replace the figures of a day; False when another worker is at figures at this moment, unless
    the caller would `wait` for it.
    """
    if wait:
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    elif not session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        return False
    allow_seconds(session, MOST_SECONDS)
    figures, steps = of_day(session, day), steps_of_day(session, day)
    session.execute(delete(DailyFigure).where(DailyFigure.day == day))
    session.execute(delete(CohortFigure).where(CohortFigure.day == day))
    _insert(session, DailyFigure, day, figures)
    _insert(session, CohortFigure, day, steps)
    at = upsert(FigureDay).values(day=day, computed_at=now)
    session.execute(at.on_conflict_do_update(index_elements=["day"], set_={"computed_at": now}))
    return True


def of_day(reader: Reader, day: date) -> list[Figure]:
    """What the tables say of a day at this moment."""
    start, end = days.bounds(day)
    found = reader.execute(_FIGURES, {"start": start, "end": end})
    return sorted(map(Figure._make, found))


def steps_of_day(reader: Reader, day: date) -> list[Step]:
    """Whose first photo, order or payment was on a day, by their day of registration."""
    start, end = days.bounds(day)
    found = reader.execute(_STEPS, {"start": start, "end": end})
    return sorted(map(Step._make, found))


def stored(reader: Reader, day: date) -> list[Figure]:
    """What is kept of a day."""
    return sorted(_stored.all(reader, day))


def stored_steps(reader: Reader, day: date) -> list[Step]:
    """What is kept of the steps of a day."""
    return sorted(_stored_steps.all(reader, day))


def finished(reader: Reader, *, since: date) -> set[date]:
    """The days since this one whose figures are kept."""
    return set(_kept.all(reader, since))


def is_complete(reader: Reader, *, now: datetime) -> bool:
    """Whether the figures of all days before today are kept, and were computed after those days."""
    return not _unfinished(reader, until=days.of(now) - days.ONE, limit=1)


def forget(session: Session, *, since: date) -> None:
    """Have the figures of these days computed again; they are shown until then."""
    session.execute(delete(FigureDay).where(FigureDay.day >= since))


def _unfinished(reader: Reader, *, until: date, limit: int) -> list[date]:
    """Days up to `until` that were not computed after they had ended, the newest first."""
    first = _first_registration(reader)
    if first is None:
        return []
    values = {"first": days.of(first), "last": until, "late": STRAGGLERS, "rows": limit}
    return list(reader.scalars(_UNFINISHED, values))


def _insert(
    session: Session, table: type[DailyFigure | CohortFigure], day: date, rows: Iterable[NamedTuple]
) -> None:
    values = [{"day": day, **row._asdict()} for row in rows]
    if values:
        session.execute(insert(table), values)


@scalar
def _first_registration() -> Select[datetime]:
    return select(func.min(User.created_at))


@scalar
def _kept(since: date) -> Select[date]:
    return select(FigureDay.day).where(FigureDay.day >= since)


@scalar
def _fresh(since: date, computed_after: datetime) -> Select[date]:
    return select(FigureDay.day).where(
        FigureDay.day >= since, FigureDay.computed_at > computed_after
    )


@statement(Figure)
def _stored(day: date) -> Query:
    return select(*DailyFigure.columns(Figure)).where(DailyFigure.day == day)


@statement(Step)
def _stored_steps(day: date) -> Query:
    return select(*CohortFigure.columns(Step)).where(CohortFigure.day == day)


# Days whose figures were not computed after they had ended.
_UNFINISHED = text(
    f"""
SELECT day FROM (
    SELECT CAST(:first AS date) + n AS day
    FROM generate_series(0, CAST(:last AS date) - CAST(:first AS date)) AS n) every
WHERE NOT EXISTS (
    SELECT FROM figure_days f WHERE f.day = every.day
    AND f.computed_at > timezone('{days.ZONE}', (every.day + 1)::timestamp) + :late)
ORDER BY day DESC LIMIT :rows
"""  # noqa: S608 the zone is ours
)
_PERIOD = (bindparam("start", type_=UtcDateTime()), bindparam("end", type_=UtcDateTime()))
# Amounts as they are stored, in hundredths and millionths; the columns at the end make Decimals.
_FIGURES = (
    text(
        """
WITH moves AS MATERIALIZED (
    SELECT type, provider, payment_id IS NOT NULL AS paid, count(*) AS n, count(seq) AS moved,
           coalesce(sum(amount_rub), 0) AS rub, sum(tokens_delta) AS tokens
    FROM transactions WHERE created_at >= :start AND created_at < :end GROUP BY 1, 2, 3
), ended AS MATERIALIZED (
    SELECT j.service_type, j.status, j.tokens_consumed, j.photos, j.meta, j.output,
           j.finished_at - j.started_at AS work,
           j.started_at - (SELECT c.created_at FROM transactions c
                           WHERE c.job_id = j.id AND c.type = 'charge') AS wait
    FROM jobs j WHERE j.finished_at >= :start AND j.finished_at < :end
), times AS (
    SELECT service_type, span,
           percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds) AS p
    FROM (SELECT service_type, 'wait' AS span, extract(epoch FROM wait) AS seconds FROM ended
          WHERE status = 'done' AND wait IS NOT NULL
          UNION ALL
          SELECT service_type, 'work', extract(epoch FROM work) FROM ended
          WHERE status = 'done' AND work IS NOT NULL) each
    GROUP BY 1, 2
)
SELECT 'paid' AS kind, coalesce(provider, '-') AS dimension, sum(n)::bigint AS n,
       sum(rub)::bigint AS rub, sum(tokens)::bigint AS tokens, 0::bigint AS cost
FROM moves WHERE type = 'purchase' GROUP BY 2
UNION ALL
SELECT 'returned', coalesce(provider, '-'), sum(n)::bigint, -sum(rub)::bigint,
       -sum(tokens)::bigint, 0
FROM moves WHERE type = 'refund' AND paid GROUP BY 2
UNION ALL
SELECT 'moved', type, sum(moved)::bigint, 0, sum(tokens)::bigint, 0
FROM moves WHERE moved > 0 GROUP BY type
UNION ALL
SELECT 'done', service_type, count(*), 0, sum(tokens_consumed)::bigint, 0
FROM ended WHERE status = 'done' GROUP BY service_type
UNION ALL
SELECT 'failed', coalesce(meta #>> '{error,code}', meta ->> 'reason', '-') AS code, count(*),
       0, 0, 0
FROM ended WHERE status = 'failed' GROUP BY code
UNION ALL
-- An album says of each of its photos who made it; an order for one photo says it of itself.
SELECT 'engine_seconds', service_type, ceil(sum(seconds::text::numeric))::bigint, 0, 0, 0
FROM ended, jsonb_path_query(
    CASE photos WHEN 1 THEN jsonb_build_array(meta)
                ELSE jsonb_path_query_array(output, '$[*].meta') END,
    '$[*] ? (@.engine == "embedded").seconds ? (@.type() == "number")') AS seconds
WHERE status = 'done' GROUP BY service_type
UNION ALL
SELECT 'engine_cost', engine || ' ' || currency, count(*), 0, 0,
       sum(coalesce(cost_actual, cost_estimate))::bigint
FROM generation_attempts
WHERE charged <> 'no' AND ended_at IS NOT NULL AND ended_at >= :start AND ended_at < :end
GROUP BY engine, currency
UNION ALL
SELECT span || '_p50', service_type, round(p[1] * 1000)::bigint, 0, 0, 0 FROM times
UNION ALL
SELECT span || '_p95', service_type, round(p[2] * 1000)::bigint, 0, 0, 0 FROM times
"""
    )
    .bindparams(*_PERIOD)
    .columns(*DailyFigure.columns(Figure))
)
# A person's photo is known by the order it came with. Their first order that was charged, and their
# first payment, are the first rows of their own chain in the ledger.
_STEPS = (
    text(
        f"""
WITH firsts AS (
    SELECT 'registered' AS step, id AS user_id FROM users
    WHERE created_at >= :start AND created_at < :end
    UNION ALL
    SELECT 'photo', user_id FROM (
        SELECT DISTINCT user_id FROM jobs WHERE created_at >= :start AND created_at < :end) came
    WHERE (SELECT f.created_at FROM jobs f WHERE f.user_id = came.user_id
           ORDER BY f.number NULLS FIRST LIMIT 1) >= :start
    UNION ALL
    SELECT step, user_id FROM (
        SELECT DISTINCT user_id, type,
               CASE type WHEN 'charge' THEN 'order' ELSE 'payment' END AS step
        FROM transactions
        WHERE created_at >= :start AND created_at < :end AND type IN ('charge', 'purchase')) paid
    WHERE (SELECT f.created_at FROM transactions f
           WHERE f.user_id = paid.user_id AND f.type = paid.type AND f.seq IS NOT NULL
           ORDER BY f.seq LIMIT 1) >= :start
)
SELECT step, (SELECT timezone('{days.ZONE}', created_at)::date FROM users
              WHERE id = user_id) AS registered_on, count(*) AS people
FROM firsts GROUP BY 1, 2
"""  # noqa: S608 the zone is ours
    )
    .bindparams(*_PERIOD)
    .columns(*CohortFigure.columns(Step))
)
