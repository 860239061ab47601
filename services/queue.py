"""The job queue: workers claim, renew, finish and fail rows of `jobs`.

Every write names the attempt it was given (the fencing token): a worker that lost its lease, and
whose job was taken over by another one, changes nothing when it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, exists, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

import settings
from db import Reader, notifications, scalar
from db.models import EMBEDDED, Data, GenerationModel, Job
from db.rows import JobRow
from db.types import now as current_time
from services import data, events, jobs, ledger, results
from services.results import Turn

RETRY_DELAYS = (timedelta(seconds=5), timedelta(seconds=30))  # before attempt two, three...
LOST_TEXT = "Не получилось обработать фото: сервис перезапускался. Токены возвращены на баланс."


@dataclass(frozen=True)
class Claim:
    """A job held by a worker: what to do, and the token that proves the right to write.

    photo_index: of the photo at hand, from 0; `photos` were ordered. keys: storage keys of the
    input files by their dataId. request_id: of the request that ordered it, for the log.
    waited_seconds: since it was due. traceparent: of the trace that it was ordered in, if that is
    kept.
    """

    job_id: UUID
    attempt: int
    service_type: str
    model: str
    photos: int
    photo_index: int
    input: list[dict[str, Any]]
    keys: dict[str, str]
    request_id: str | None
    traceparent: str | None
    waited_seconds: float

    @property
    def photo(self) -> dict[str, Any]:
        """The input at hand."""
        return self.input[self.photo_index]

    @property
    def input_key(self) -> str | None:
        """The storage key of the photo at hand; None if it is fetched by its url."""
        return self.keys.get(self.photo.get("dataId", ""))

    def next_photo(self) -> Claim:
        """The same job, with its next photo at hand."""
        return replace(self, photo_index=self.photo_index + 1)

    def overall(self, progress: int) -> int:
        """Percent of the whole job when the photo at hand is at `progress` percent."""
        return (100 * self.photo_index + progress) // self.photos


def look() -> str:
    """A SELECT that tells whether `claim` would find a job, if nobody else took it first."""
    found = exists().where(_is_waiting(Job)) | exists().where(
        _is_silent(aliased(Job), settings.load().job_max_attempts)
    )
    speaks = postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(select(found).compile(dialect=speaks, compile_kwargs={"literal_binds": True}))


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
            started_at=func.coalesce(Job.started_at, func.now()),
            lease_until=func.now() + _lease(),
            worker=worker,
            progress=100 * func.jsonb_array_length(Job.results, type_=Integer) // Job.photos,
            updated_at=func.now(),
        )
        .returning(Job)
    )
    if job is None:
        return None
    if job.attempt == 1:
        events.tell(session, job.user_id, events.job_started(job))
    results.start_over_if_gone(session, job)
    model = session.scalars(
        select(GenerationModel.name).where(GenerationModel.id == job.model_id)
    ).one()
    return Claim(
        job.id,
        job.attempt,
        job.service_type,
        model,
        job.photos,
        len(job.results),
        job.input,
        _keys(session, job),
        job.request_id,
        job.traceparent,
        (job.updated_at - job.run_at).total_seconds(),
    )


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
) -> Turn:
    """Deliver the stored result of the photo at hand, once; after the last one the job is done.

    result_id: the row that data.reserve created before the bytes were stored.
    """
    if claim.photos > 1:  # those that failed may be refunded now
        ledger.lock_account(session, _user_of(session, claim.job_id))
    job = _locked(session, claim)
    if job is None:
        return Turn.LOST
    meta = {"model": claim.model, **meta}
    return results.deliver(session, job, result_id, size_bytes=size_bytes, meta=meta, now=now)


def fail(session: Session, claim: Claim, *, code: str, message: str, retryable: bool) -> Turn:
    """Put the job back for a later attempt, or give up the photo at hand.

    code is for programs, message (Russian) for the customer.
    """
    # The user is always locked first: a refund may start another job of the same user.
    ledger.lock_account(session, _user_of(session, claim.job_id))
    job = _locked(session, claim)
    if job is None:
        return Turn.LOST
    error = {"code": code, "message": message}
    tries = job.attempt - job.releases
    if retryable and tries < settings.load().job_max_attempts:
        delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]
        _put_back(job, func.now() + delay, {"lastError": error})
        return Turn.AGAIN
    return results.give_up(session, job, error, now=current_time())


def release(session: Session, claim: Claim) -> bool:
    """Return an unfinished job to the queue at once: the worker is being stopped."""
    job = _locked(session, claim)
    if job is None:
        return False
    job.releases += 1
    _put_back(job, func.now(), {})
    notifications.announce(session)
    return True


def retry(session: Session, job_id: UUID) -> JobRow[UUID]:
    """Order a failed job again at today's price, or take a processing one from its worker.

    For the operator. ApiError `job_not_found` and those of jobs.create; ValueError for a job that
    needs no retry, perhaps as another operator has ordered it again: the customer pays for each.
    """
    job = jobs.lock(session, job_id)
    if job.status == "failed":
        if _was_ordered_again(session, job.user_id, job.number, str(job_id)):
            raise ValueError("the job has been ordered again already")
        again = jobs.create(
            session,
            job.user_id,
            service_type=job.service_type,
            input=job.input,
            description=job.description,
            model_id=job.model_id,
            client_ref=job.client_ref,
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
    notifications.announce(session)
    return jobs.get(session, job_id)


@scalar
def _was_ordered_again(user_id: UUID, number: int, job_id: str) -> Select[bool]:
    later = (Job.user_id == user_id) & (Job.number > number) & (Job.status != "failed")
    return select(exists().where(later, Job.meta["retryOf"].astext == job_id))


def give_up_lost(session: Session) -> int:
    """Give up the photo of a job whose last allowed attempt went silent; how many: 0 or 1.

    The job goes on with its next photo, or ends.
    """
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
    ledger.lock_account(session, found.user_id)
    # Its worker may have come back while we waited for the user.
    job = session.scalar(select(Job).where(Job.id == found.id, *lost).with_for_update())
    if job is None:
        return 0
    error = {"code": "worker_lost", "message": LOST_TEXT}
    if results.give_up(session, job, error, now=current_time()) is Turn.NEXT:
        job.releases = job.attempt
        _put_back(job, func.now(), {})
        notifications.announce(session)
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
    silent = _is_silent(job, settings.load().job_max_attempts)
    return _first(select(job.id).where(silent).order_by(job.lease_until))


def _due() -> Select[UUID]:
    job = aliased(Job)
    return _first(select(job.id).where(_is_waiting(job)).order_by(job.run_at, job.number))


def _is_silent(job: type[Job], max_attempts: int) -> ColumnElement[bool]:
    """Whether its worker went silent, and it may be tried again."""
    silent = (job.status == "processing") & (job.lease_until < func.now())
    return silent & (job.attempt - job.releases < max_attempts)


def _is_waiting(job: type[Job]) -> ColumnElement[bool]:
    """Whether it is due for the embedded engine."""
    return (job.status == "queued") & (job.engine == EMBEDDED) & (job.run_at <= func.now())


def _first(query: Select[UUID]) -> Select[UUID]:
    return query.limit(1).with_for_update(skip_locked=True)


def _locked(session: Session, claim: Claim) -> Job | None:
    """The job, if it is still the worker's and the photo at hand has no outcome yet."""
    without_outcome = func.jsonb_array_length(Job.results) == claim.photo_index
    return session.scalar(
        select(Job)
        .where(_held(claim), without_outcome)
        .with_for_update()
        .execution_options(populate_existing=True)
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
    job.progress = results.progress(job)
    job.meta = {**job.meta, **meta}
    job.updated_at = func.now()


def _user_of(session: Session, job_id: UUID) -> UUID:
    return session.scalars(select(Job.user_id).where(Job.id == job_id)).one()


def _keys(session: Session, job: Job) -> dict[str, str]:
    files = select(Data.id, Data.storage_key).where(Data.id.in_(data.ids_of(job.input)))
    return {str(data_id): key for data_id, key in session.execute(files)}
