"""How attempts at providers end, together with what that means for their jobs and the tokens.

Locks: the user (if tokens may be returned), the job, then the attempt, whose own UPDATE decides
whether it is still there to be ended: a late result, a second worker or a lost answer changes
nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import OPEN_STATES, Job
from services import attempts, engines, fallbacks, ledger, remote_queue, results
from services.attempt_rows import Attempt
from services.attempts import Ending
from services.fallbacks import Again, Candidate, Elsewhere, GiveUp
from services.results import Turn

DONE = Ending("done", "yes")
DROPPED = Ending("canceled", "yes", detail="its job had ended before")


def finish(
    session: Session,
    attempt: Attempt,
    result_id: UUID,
    *,
    size_bytes: int,
    meta: dict[str, Any],
    now: datetime,
) -> bool:
    """Deliver a stored result of the photo at hand, once; False when the job has gone on without.

    result_id: the row that data.reserve created before the bytes were stored.
    """
    job = _locked_with_user(session, attempt) if attempt.photos > 1 else _locked(session, attempt)
    wanted = _waits_for(job, attempt)
    ended = attempts.end(session, attempt, DONE if wanted else DROPPED, states=("fetching",))
    if not (wanted and ended):
        return False
    job.model_id = attempt.model_id
    if job.photos > 1:  # each photo in the output says which model made it
        remote_queue.return_to_ordered(session, job)
    turn = results.deliver(session, job, result_id, size_bytes=size_bytes, meta=meta, now=now)
    if turn is Turn.NEXT:
        remote_queue.put_back(session, job, fallbacks.AT_ONCE)
    return True


def fail(
    session: Session, attempt: Attempt, ending: Ending, *, now: datetime
) -> Again | Elsewhere | GiveUp | None:
    """End an attempt without a result, and queue its job again, for another model if need be, or
    give up the photo at hand. None when the attempt or its job had ended already.
    """
    job = _locked_with_user(session, attempt)
    if not attempts.end(session, attempt, ending, states=OPEN_STATES):
        return None
    if not _waits_for(job, attempt):
        return None
    step = fallbacks.after(
        attempts.tried(session, attempt.job_id, attempt.input_index),
        Candidate(attempt.model_id, attempt.engine, attempt.cost_estimate, attempt.currency),
        remote_queue.candidates(session, attempt.service_type),
        limits=engines.cost_limits(),
        closed=remote_queue.closed_engines(session, now),
    )
    if isinstance(step, GiveUp):
        remote_queue.give_up(session, job, step.code, step.message, now=now)
    else:
        job.meta = {**job.meta, "lastError": {"code": ending.trouble, "engine": attempt.engine}}
        other = step.candidate if isinstance(step, Elsewhere) else None
        delay = step.after if isinstance(step, Again) else fallbacks.AT_ONCE
        remote_queue.put_back(session, job, delay, other)
    return step


def refuse(session: Session, attempt: Attempt, *, code: str, message: str, now: datetime) -> bool:
    """End an attempt before anything was ordered and give up its photo, which cannot be used.

    message: Russian, for the customer. False when the attempt had gone on or ended.
    """
    job = _locked_with_user(session, attempt)
    ending = Ending("failed", "no", trouble="input", code=code)
    if not attempts.end(session, attempt, ending, states=("preparing",)):
        return False
    if _waits_for(job, attempt):
        remote_queue.give_up(session, job, code, message, now=now)
    return True


def overtime(session: Session, attempt: Attempt, *, now: datetime) -> None:
    """Give up the photo at hand at the deadline of its attempt; what was ordered is cancelled."""
    job = _locked_with_user(session, attempt)
    if not drop(session, attempt):
        return
    if _waits_for(job, attempt):
        remote_queue.give_up(session, job, *fallbacks.TOO_LATE, now=now)


def drop(session: Session, attempt: Attempt) -> bool:
    """Let an attempt go that nobody waits for; False when it had been dropped or had ended."""
    unsent = Ending("canceled", "no", detail="its job has ended")
    if attempts.end(session, attempt, unsent, states=("preparing",)):
        return True
    return attempts.abandon(session, attempt)


def _waits_for(job: Job, attempt: Attempt) -> bool:
    return job.status == "processing" and len(job.results) == attempt.input_index


def _locked(session: Session, attempt: Attempt) -> Job:
    return session.scalars(
        select(Job)
        .where(Job.id == attempt.job_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _locked_with_user(session: Session, attempt: Attempt) -> Job:
    user_id = session.scalars(select(Job.user_id).where(Job.id == attempt.job_id)).one()
    ledger.lock_account(session, user_id)
    return _locked(session, attempt)
