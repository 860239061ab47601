"""The worker's steps of a job, done in the test's own process."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from db import notifications, transaction
from db.models import Job
from db.types import now
from providers import registry
from services import data, queue
from services.queue import Claim
from services.results import Turn

VIDEO = b"the finished video"


def claim_job(job_id: UUID | str) -> Claim:
    """Claim the job as a worker would; it goes before all others that wait or were abandoned."""
    left = update(Job).where(Job.status == "processing", Job.lease_until < now())
    with transaction() as session:
        session.execute(left.values(lease_until=now().replace(year=2099)))
        early = now().replace(year=2000)
        session.execute(update(Job).where(Job.id == job_id).values(run_at=early))
        claim = queue.claim(session, "a worker")
    assert claim is not None and str(claim.job_id) == str(job_id)
    return claim


def finish_job(claim: Claim) -> None:
    """Finish the job, with VIDEO as its result."""
    with transaction() as session:
        row = data.reserve(session, "video", content_type="video/mp4", now=now())
    registry.storage().put(row.storage_key, io.BytesIO(VIDEO), content_type="video/mp4")
    with transaction() as session:
        turn = queue.finish(session, claim, row.id, size_bytes=len(VIDEO), meta={}, now=now())
        assert turn is Turn.DONE


def claim_next(worker: str = "w") -> Claim | Any:
    """Claim the job that is due first; None when there is none, which callers need not rule out."""
    with transaction() as session:
        return queue.claim(session, worker)


def silence(job_id: UUID) -> None:
    """Let the lease of the job run out, as if its worker had died."""
    with transaction() as session:
        session.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(lease_until=func.now() - timedelta(seconds=1))
        )


def current(job_id: UUID) -> Job:
    """The job as it is now."""
    with transaction() as session:
        return session.get_one(Job, job_id)


def live_jobs() -> int:
    """How many jobs have not ended."""
    with transaction() as session:
        live = select(func.count()).where(Job.status.in_(("queued", "processing")))
        return session.scalar(live) or 0


def hurry_retries() -> None:
    """Make retries due at once, without the waits of production."""
    with transaction() as session:
        session.execute(update(Job).where(Job.status == "queued").values(run_at=func.now()))
        notifications.announce(session)
