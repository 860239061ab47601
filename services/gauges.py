"""How much waits and for how long, for the operator's alarms: one statement over small indexes.

Whoever asks sees the same, so it is read at a scrape and counted by nobody. Nothing is counted
beyond MOST, so that a backlog of a million costs what one of ten thousand does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Text,
    cast,
    column,
    func,
    literal,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from db import Query, Reader, commit_wait_seconds, statement
from db.models import CHECK_SUBJECTS, EMBEDDED, Check, Engine, Event, Job, Payment, PaymentEvent
from services import figures
from services.breakers import ACCOUNT_CODES
from telemetry import metrics

MOST = 10_000
OVERDUE_AFTER = timedelta(hours=1)
Rows = Select[str, Any, Any]


class Gauge(NamedTuple):
    """The value of a metric, by its name in `metrics.METRICS`, for these values of its labels."""

    name: str
    labels: list[str]
    value: float


def read(reader: Reader) -> list[Gauge]:
    """All of them, by the database's clock."""
    owed = Gauge(metrics.token_liability.name, [], float(figures.tokens_owed(reader)))
    commits = Gauge(metrics.commit_wait.name, [], commit_wait_seconds(reader))
    return [owed, commits, *_read.all(reader)]


def _gauge(metric: metrics.Reading, value: Any, *labels: Any) -> Rows:
    texts: Any = array([cast(label, Text) for label in labels], type_=Text())
    return select(
        literal(metric.name).label("name"),
        texts.label("labels"),
        cast(value, Double).label("value"),
    )


def _many(
    metric: metrics.Reading, *where: ColumnElement[bool], labels: tuple[str, ...] = ()
) -> Rows:
    some = select(literal(1)).where(*where).limit(MOST).subquery()
    return _gauge(metric, func.count(), *labels).select_from(some)


def _oldest(
    metric: metrics.Reading, moment: Any, *where: ColumnElement[bool], first: Any, labels: Any = ()
) -> Rows:
    """Seconds since the oldest of the first MOST; 0 when there is none."""
    some = select(moment.label("moment")).where(*where).order_by(first).limit(MOST).subquery()
    age = func.extract("epoch", func.now() - func.min(some.c.moment))
    return _gauge(metric, func.greatest(age, 0), *labels)


def _of_queue(name: str, engine: ColumnElement[bool]) -> Iterator[Rows]:
    queued, due = (Job.status == "queued", engine), Job.run_at <= func.now()
    yield _many(metrics.queue_jobs, *queued, due, labels=(name, "due"))
    yield _many(metrics.queue_jobs, *queued, ~due, labels=(name, "delayed"))
    yield _oldest(
        metrics.queue_oldest_wait, Job.run_at, *queued, due, first=Job.run_at, labels=(name,)
    )


def _of_check(subject: str) -> Iterator[Rows]:
    last = (
        select(Check.checked_at, Check.violations)
        .where(Check.subject == subject)
        .order_by(Check.number.desc().nulls_last())
        .limit(1)
        .subquery()
    )
    broken = select(func.count()).select_from(func.jsonb_object_keys(last.c.violations).alias())
    count = broken.correlate(last).scalar_subquery()
    yield _gauge(metrics.check_violations, count, subject).select_from(last)
    yield _gauge(metrics.check_moment, func.extract("epoch", last.c.checked_at), subject)


def _of_archive() -> Rows:
    """Nothing where PostgreSQL archives nothing; where it never could, it counts from its start."""
    stats = table("pg_stat_archiver", column("last_archived_time"))
    last = func.coalesce(stats.c.last_archived_time, func.pg_postmaster_start_time())
    archives = func.current_setting("archive_mode") != "off"
    return (
        _gauge(metrics.archived_moment, func.extract("epoch", last))
        .select_from(stats)
        .where(archives)
    )


@statement(Gauge)
def _read() -> Query:
    processing, waiting = Job.status == "processing", Job.status == "waiting_payment"
    pending = Event.state == "pending"
    overdue = Payment.expires_at < func.now() - OVERDUE_AFTER
    closed = (Engine.open_until > func.now()) | Engine.open_code.in_(sorted(ACCOUNT_CODES))
    parts = (
        *_of_queue("embedded", Job.engine == EMBEDDED),
        *_of_queue("remote", Job.engine != EMBEDDED),
        _many(metrics.queue_jobs, processing, labels=("any", "processing")),
        _many(metrics.queue_jobs, waiting, labels=("any", "waiting_payment")),
        _gauge(metrics.workers_seen, func.count(Job.worker.distinct())).where(
            processing, Job.lease_until > func.now()
        ),
        _many(metrics.events_parked, PaymentEvent.state == "parked"),
        _many(metrics.payments_overdue, Payment.status == "pending", overdue),
        _many(metrics.outbox_pending, pending),
        _oldest(metrics.outbox_oldest, Event.created_at, pending, first=Event.next_at),
        _many(metrics.outbox_dead, Event.state == "dead"),
        _gauge(metrics.engine_closed, 1, Engine.name, Engine.open_code).where(closed),
        *(row for subject in CHECK_SUBJECTS for row in _of_check(subject)),
        _of_archive(),
    )
    rows = union_all(*parts).subquery()
    return select(rows.c.name, rows.c.labels, rows.c.value)
