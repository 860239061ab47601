"""What became of each photo of an order, and the end of the order after its last one.

A photo is either delivered or given up, and the order goes on with the next. What was delivered is
paid for; the price of the rest is returned. Files of unfinished orders are unconfirmed, so that
nobody can use them before they are paid for, and they are swept if the order never ends.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import after_commit
from db.models import Data, Job
from db.rows import DataRow
from services import data, events, funding, jobs
from telemetry import metrics

Outcome = dict[str, Any]

# Shown to the customer by the bot.
SWEPT = {
    "code": "result_gone",
    "message": "Заказ делался слишком долго, и это фото не сохранилось. Токены за него возвращены.",
}


class Turn(Enum):
    """What follows a photo that a worker had."""

    NEXT = "next"  # the next photo of the same job
    AGAIN = "again"  # the same photo, in a later attempt
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"  # the job is not the worker's any more


def deliver(
    session: Session,
    job: Job,
    result_id: UUID,
    *,
    size_bytes: int,
    meta: dict[str, Any],
    now: datetime,
) -> Turn:
    """Record the stored result of the photo at hand; the caller holds the job."""
    outcome = {"dataId": str(result_id), "sizeBytes": size_bytes, "meta": meta}
    return _record(session, job, outcome, now)


def give_up(session: Session, job: Job, error: dict[str, str], *, now: datetime) -> Turn:
    """Record that the photo at hand cannot be made; the caller holds user and job."""
    return _record(session, job, {"error": error}, now)


def start_over_if_gone(session: Session, job: Job) -> None:
    """Forget the results of an order that has waited so long that they were swept."""
    kept = [UUID(each["dataId"]) for each in job.results if "dataId" in each]
    there = select(func.count()).where(Data.id.in_(kept), Data.status == "pending")
    if kept and session.scalar(there) != len(kept):
        job.results = []


def progress(job: Job) -> int:
    """Percent of the order before any work on the photo at hand."""
    return 100 * len(job.results) // job.photos


def _record(session: Session, job: Job, outcome: Outcome, now: datetime) -> Turn:
    outcomes = [*job.results, outcome]
    if len(outcomes) < job.photos:
        job.results = outcomes
        job.progress = progress(job)
        job.releases = job.attempt - 1  # the next photo has all the tries
        job.updated_at = func.now()
        return Turn.NEXT
    if job.photos > 1:
        outcomes = _without_swept(session, outcomes)
    if not any("dataId" in each for each in outcomes):
        jobs.end_unfinished(session, job, {"reason": "failed", "error": outcomes[0]["error"]})
        return _ended(session, job, Turn.FAILED, now)
    _complete(session, job, outcomes, now)
    return _ended(session, job, Turn.DONE, now)


def _ended(session: Session, job: Job, turn: Turn, now: datetime) -> Turn:
    if metrics.has_started():
        seconds = (now - job.created_at).total_seconds()
        labels = job.service_type, turn.value
        after_commit(session, partial(metrics.job_total_seconds.observe, seconds, *labels))
    return turn


def _without_swept(session: Session, outcomes: list[Outcome]) -> list[Outcome]:
    """The same, but for files that were swept while the order waited for its other photos.

    What is not there any more is not paid for.
    """
    kept = [UUID(each["dataId"]) for each in outcomes if "dataId" in each]
    # Locked: from here on until they are confirmed nobody can sweep them.
    query = select(Data.id).where(Data.id.in_(kept), Data.status == "pending").with_for_update()
    there = set(map(str, session.scalars(query)))
    return [
        each if each.get("dataId") in {None, *there} else {"error": dict(SWEPT)}
        for each in outcomes
    ]


def _complete(session: Session, job: Job, outcomes: list[Outcome], now: datetime) -> None:
    """End the order as done; it keeps the price of what was delivered, and returns the rest."""
    delivered = [each for each in outcomes if "dataId" in each]
    consumed = job.price_tokens / job.photos * len(delivered)
    rest = job.tokens_reserved - consumed
    files = [_confirmed(session, each, now) for each in outcomes]
    job.output = [_output(job, each, file) for each, file in zip(outcomes, files, strict=True)]
    job.results = []
    job.status = "done"
    job.progress = 100
    job.tokens_consumed = consumed
    job.tokens_reserved = Decimal(0)
    job.lease_until = job.worker = None
    job.result_data_id = UUID(delivered[0]["dataId"])
    job.meta = {**job.meta, **delivered[0]["meta"]}
    job.updated_at = job.finished_at = func.now()
    session.flush()
    news = events.job_done(job, zip(outcomes, files, strict=True))
    if not rest:
        events.tell(session, job.user_id, news)
        return
    meta = {"reason": "failed", "failedPhotos": len(outcomes) - len(delivered)}
    funding.credit(session, job.user_id, rest, type="refund", news=news, job_id=job.id, meta=meta)


def _confirmed(session: Session, outcome: Outcome, now: datetime) -> DataRow | None:
    """The file of a photo that was delivered, usable from now on."""
    if "error" in outcome:
        return None
    row = data.get(session, UUID(outcome["dataId"]))
    return data.confirm(
        session,
        row.id,
        content_type=row.content_type,
        size_bytes=outcome["sizeBytes"],
        now=now,
    )


def _output(job: Job, outcome: Outcome, file: DataRow | None) -> dict[str, Any]:
    """A photo in the output of its order: the confirmed file, or why there is none."""
    if file is None:
        return {"meta": {"error": outcome["error"]}}
    shown = {"type": file.type, "dataId": str(file.id)}
    # The facts about the only photo are the job's own.
    return shown | {"meta": outcome["meta"]} if job.photos > 1 else shown
