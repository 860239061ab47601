"""The job queue: workers claim, renew, finish and fail rows of `jobs`.

Every write names the attempt it was given (the fencing token): a worker that lost its lease, and
whose job was taken over by another one, changes nothing when it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session, aliased

import settings
from db import Reader, Record, notices
from db.models import EMBEDDED, Data, GenerationModel, Job
from services import data, jobs, ledger

RETRY_DELAYS = (timedelta(seconds=5), timedelta(seconds=30))  # before attempt two, three...
LOST_TEXT = "Не получилось обработать фото: сервис перезапускался. Токены возвращены на баланс."


@dataclass(frozen=True)
class Claim:
    """A job held by a worker: what to do, and the token that proves the right to write."""

    job_id: UUID
    attempt: int
    service_type: str
    model: str
    input: list[dict[str, Any]]
    input_key: str | None  # storage key of the photo, None if it is fetched by url


def claim(session: Session, worker: str) -> Claim | None:
    """Take the oldest job that is due for the embedded engine, or one whose worker went silent;
    None when there is none.
    """
    # A silent worker's job was promised earlier. Two index scans, the second only when the first
    # finds nothing; one OR would sort the whole backlog on every claim.
    candidate = func.coalesce(_silent().scalar_subquery(), _due().scalar_subquery())
    job = session.scalar(
        update(Job)
        .where(Job.id == candidate)
        .values(
            status="processing",
            attempt=Job.attempt + 1,
            lease_until=func.now() + _lease(),
            worker=worker,
            progress=0,
            updated_at=func.now(),
        )
        .returning(Job)
    )
    if job is None:
        return None
    model = session.scalars(
        select(GenerationModel.name).where(GenerationModel.id == job.model_id)
    ).one()
    return Claim(job.id, job.attempt, job.service_type, model, job.input, _input_key(session, job))


def renew(session: Session, claim: Claim, *, progress: int) -> bool:
    """Extend the lease and store the progress (0..100); False when the lease is lost."""
    renewed = session.scalar(
        update(Job)
        .where(_held(claim))
        .values(
            lease_until=func.now() + _lease(),
            progress=func.greatest(Job.progress, progress),
            updated_at=func.now(),
        )
        .returning(Job.id)
    )
    return renewed is not None


def finish(
    session: Session,
    claim: Claim,
    result_id: UUID,
    *,
    size_bytes: int,
    meta: dict[str, Any],
    now: datetime,
) -> bool:
    """Confirm the stored result and consume the reserve, once; False if the lease is lost.

    result_id: the row that data.reserve created before the bytes were stored.
    """
    job = _locked(session, claim)
    if job is None:
        return False
    meta = {"model": claim.model, **meta}
    complete(session, job, result_id, size_bytes=size_bytes, meta=meta, now=now)
    return True


def complete(
    session: Session,
    job: Job,
    result_id: UUID,
    *,
    size_bytes: int,
    meta: dict[str, Any],
    now: datetime,
) -> None:
    """As finish(), for a job in `processing` that the caller has locked."""
    row = data.get(session, result_id)
    result = data.confirm(
        session, row.id, content_type=row.content_type, size_bytes=size_bytes, now=now
    )
    job.status = "done"
    job.progress = 100
    job.tokens_consumed = job.tokens_reserved
    job.tokens_reserved = Decimal(0)
    job.lease_until = job.worker = None
    job.result_data_id = result.id
    job.output = [{"type": result.type, "dataId": str(result.id)}]
    job.meta = {**job.meta, **meta}
    job.updated_at = job.finished_at = func.now()


def fail(session: Session, claim: Claim, *, code: str, message: str, retryable: bool) -> bool:
    """Put the job back for a later attempt, or end it and return its tokens.

    code is for programs, message (Russian) for the customer. False when the lease is lost.
    """
    # The user is always locked first: a refund may start another job of the same user.
    ledger.lock(session, _user_of(session, claim.job_id))
    job = _locked(session, claim)
    if job is None:
        return False
    error = {"code": code, "message": message}
    tries = job.attempt - job.releases
    if retryable and tries < settings.load().job_max_attempts:
        delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]
        _put_back(job, func.now() + delay, {"lastError": error})
    else:
        jobs.end_unfinished(session, job, {"reason": "failed", "error": error})
    return True


def release(session: Session, claim: Claim) -> bool:
    """Return an unfinished job to the queue at once: the worker is being stopped."""
    job = _locked(session, claim)
    if job is None:
        return False
    job.releases += 1
    _put_back(job, func.now(), {})
    notices.announce(session)
    return True


def retry(session: Session, job_id: UUID) -> Record:
    """Order a failed job again at today's price, or take a processing one from its worker.

    For the operator. ApiError `job_not_found` and those of jobs.create; ValueError for a job that
    needs no retry.
    """
    job = jobs.lock(session, job_id)
    if job.status == "failed":
        again = jobs.create(
            session,
            job.user_id,
            service_type=job.service_type,
            input=job.input,
            description=job.description,
            model_id=job.model_id,
            meta={"retryOf": str(job.id)},
        )
        return jobs.get(session, again.id)
    if job.status != "processing":
        raise ValueError(f"the job is {job.status}; only failed and processing ones are retried")
    if job.lease_until is None:
        raise ValueError("the job is at a remote engine: fail it, or wait for its deadline")
    # Its worker may hang and still renew the lease: without a lease it no longer holds the job.
    job.releases += 1
    _put_back(job, func.now(), {})
    session.flush()
    notices.announce(session)
    return jobs.get(session, job_id)


def give_up_lost(session: Session) -> int:
    """Fail a job whose last allowed attempt went silent, tokens back; returns how many: 0 or 1."""
    lost = [
        Job.status == "processing",
        Job.lease_until < func.now(),
        Job.attempt - Job.releases >= settings.load().job_max_attempts,
    ]
    found = session.execute(
        select(Job.id, Job.user_id).where(*lost).order_by(Job.lease_until).limit(1)
    ).one_or_none()
    if found is None:
        return 0
    ledger.lock(session, found.user_id)
    # Its worker may have come back while we waited for the user.
    job = session.scalar(select(Job).where(Job.id == found.id, *lost).with_for_update())
    if job is None:
        return 0
    error = {"code": "worker_lost", "message": LOST_TEXT}
    jobs.end_unfinished(session, job, {"reason": "failed", "error": error})
    return 1


def oldest_wait_seconds(reader: Reader) -> float:
    """How long the first job that is due for the embedded engine has waited, in seconds; 0 when
    none is due.
    """
    waited = reader.scalar(
        select(func.extract("epoch", func.now() - func.min(Job.run_at))).where(
            Job.status == "queued", Job.engine == EMBEDDED, Job.run_at <= func.now()
        )
    )
    return float(waited or 0)


def _lease() -> timedelta:
    return timedelta(seconds=settings.load().job_lease_seconds)


def _silent() -> Select[UUID]:
    job = aliased(Job)
    return _first(
        select(job.id)
        .where(
            job.status == "processing",
            job.lease_until < func.now(),
            job.attempt - job.releases < settings.load().job_max_attempts,
        )
        .order_by(job.lease_until)
    )


def _due() -> Select[UUID]:
    job = aliased(Job)
    return _first(
        select(job.id)
        .where(job.status == "queued", job.engine == EMBEDDED, job.run_at <= func.now())
        .order_by(job.run_at, job.number)
    )


def _first(query: Select[UUID]) -> Select[UUID]:
    return query.limit(1).with_for_update(skip_locked=True)


def _locked(session: Session, claim: Claim) -> Job | None:
    return session.scalar(
        select(Job).where(_held(claim)).with_for_update().execution_options(populate_existing=True)
    )


def _held(claim: Claim) -> ColumnElement[bool]:
    """Whether a job is still held by the worker that claimed it.

    A job of the embedded engine is leased if and only if it is in `processing` (a CHECK). If the
    query named the status, PostgreSQL, whose statistics may date from when nothing was leased,
    would scan the index of leased jobs instead of looking up this id.
    """
    leased = Job.lease_until.is_not(None)
    return (Job.id == claim.job_id) & leased & (Job.attempt == claim.attempt)


def _put_back(job: Job, run_at: Any, meta: dict[str, Any]) -> None:
    job.status = "queued"
    job.run_at = run_at
    job.lease_until = job.worker = None
    job.progress = 0
    job.meta = {**job.meta, **meta}
    job.updated_at = func.now()


def _user_of(session: Session, job_id: UUID) -> UUID:
    return session.scalars(select(Job.user_id).where(Job.id == job_id)).one()


def _input_key(session: Session, job: Job) -> str | None:
    data_id = job.input[0].get("dataId")  # the worker takes the first photo
    return data_id and session.scalar(select(Data.storage_key).where(Data.id == UUID(data_id)))
