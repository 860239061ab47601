"""What an operator may do by hand to orders, and look at."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Job
from errors import ApiError
from services import jobs


def recent_jobs(session: Session, *, status: str | None, limit: int) -> list[Job]:
    """The newest jobs of all users, of one status if given."""
    query = select(Job).order_by(Job.number.desc()).limit(limit)
    return list(session.scalars(query.where(Job.status == status) if status else query))


def retry(session: Session, job_id: UUID) -> Job:
    """Order a failed job again at today's price, or take a processing one from its worker.

    ApiError `job_not_found`, `job_not_cancellable` for one that needs no retry.
    """
    job = jobs.get(session, job_id)
    if job.status == "failed":
        return jobs.create(
            session,
            job.user_id,
            service_type=job.service_type,
            input=job.input,
            description=job.description,
            meta={"retryOf": str(job.id)},
        )
    if job.status != "processing":
        raise ApiError("job_not_cancellable", details={"status": job.status})
    job.lease_until = func.now() - timedelta(seconds=1)
    session.flush()
    return job


def fail(session: Session, job_id: UUID, *, reason: str) -> Job:
    """End a live job as failed and return its tokens; its worker's result is then fenced off.

    ApiError `job_not_found`, `job_not_cancellable` for one that has ended.
    """
    job = jobs.lock(session, job_id)
    if job.status in ("done", "failed"):
        raise ApiError("job_not_cancellable", details={"status": job.status})
    meta = {"reason": "failed", "error": {"code": "operator", "message": reason}}
    jobs.end_unfinished(session, job, meta)
    return job
