"""How much waits and for how long, for the operator's alarms: one statement over small indexes.

Whoever asks sees the same, so it is read at a scrape and counted by nobody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Double, Select, Text, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import array

import metrics
from db import Query, Reader, statement
from db.models import EMBEDDED, Engine, Event, Job, Payment, PaymentEvent
from services.breakers import ACCOUNT_CODES

Rows = Select[str, Any, Any]
OVERDUE_AFTER = timedelta(hours=1)


class Gauge(NamedTuple):
    """The value of a figure, by its name in `metrics.FIGURES`, for these values of its labels."""

    name: str
    labels: list[str]
    value: float


def read(reader: Reader) -> list[Gauge]:
    """All of them, by the database's clock."""
    return _read.all(reader)


def _gauge(figure: metrics.Reading, value: Any, *labels: Any) -> Rows:
    texts: Any = array([cast(label, Text) for label in labels], type_=Text())
    return select(
        literal(figure.name).label("name"),
        texts.label("labels"),
        cast(value, Double).label("value"),
    )


def _jobs(queue: str, state: str, *where: ColumnElement[bool]) -> Rows:
    return _gauge(metrics.queue_jobs, func.count(), queue, state).where(*where)


def _oldest(figure: metrics.Reading, moment: Any, *labels: str) -> Rows:
    age = func.extract("epoch", func.now() - func.min(moment))
    return _gauge(figure, func.coalesce(age, 0), *labels)


def _of_queue(queue: str, *queued: ColumnElement[bool]) -> list[Rows]:
    due = Job.run_at <= func.now()
    return [
        _jobs(queue, "due", *queued, due),
        _jobs(queue, "delayed", *queued, ~due),
        _oldest(metrics.queue_oldest_wait, Job.run_at, queue).where(*queued, due),
    ]


@statement(Gauge)
def _read() -> Query:
    queued, processing = Job.status == "queued", Job.status == "processing"
    closed = (Engine.open_until > func.now()) | Engine.open_code.in_(sorted(ACCOUNT_CODES))
    parts = (
        *_of_queue("embedded", queued, Job.engine == EMBEDDED),
        *_of_queue("remote", queued, Job.engine != EMBEDDED),
        _jobs("any", "processing", processing),
        _jobs("any", "waiting_payment", Job.status == "waiting_payment"),
        _gauge(metrics.workers_seen, func.count(Job.worker.distinct())).where(
            processing, Job.lease_until > func.now()
        ),
        _gauge(metrics.events_parked, func.count()).where(PaymentEvent.state == "parked"),
        _gauge(metrics.payments_overdue, func.count()).where(
            Payment.status == "pending", Payment.expires_at < func.now() - OVERDUE_AFTER
        ),
        _gauge(metrics.outbox_pending, func.count()).where(Event.state == "pending"),
        _oldest(metrics.outbox_oldest, Event.created_at).where(Event.state == "pending"),
        _gauge(metrics.outbox_dead, func.count()).where(Event.state == "dead"),
        _gauge(metrics.engine_closed, 1, Engine.name, Engine.open_code).where(closed),
    )
    rows = union_all(*parts).subquery()
    return select(rows.c.name, rows.c.labels, rows.c.value)
