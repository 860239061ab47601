"""What must be true of orders at engines of providers: their books against ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import GenerationAttempt, Job
from lab.chaos.audit import Check

PAID_TWICE = "paid twice"


def orders(session: Session, accepted: Mapping[str, list[str]]) -> Iterator[Check]:
    """Checks of all attempts, with workers idle. accepted: engine -> ids of its runs."""
    attempts = list(session.scalars(select(GenerationAttempt)))
    still = [f"{each.id}: {each.state}" for each in attempts if each.ended_at is None]
    yield Check("every attempt at a provider has ended", len(attempts), still)
    yield Check(PAID_TWICE, len({_photo(each) for each in attempts}), _paid_twice(attempts))
    yield _books(attempts, accepted)
    done = Counter(_photo(each) for each in attempts if each.state == "done")
    jobs = {job.id: job for job in session.scalars(select(Job))}
    wrong = [
        f"{job_id}: {n} results of photo {index}, it is {jobs[job_id].status}"
        for (job_id, index), n in done.items()
        if n != 1 or "dataId" not in (jobs[job_id].output or [{}] * (index + 1))[index]
    ]
    yield Check("a result of a provider was delivered, once", len(done), wrong)


def _photo(attempt: GenerationAttempt) -> tuple[UUID, int]:
    """What an attempt is at: one photo of a job."""
    return attempt.job_id, attempt.input_index


def _paid_twice(attempts: list[GenerationAttempt]) -> list[str]:
    """Photos for which something was ordered after an order that had given a result or might have.

    A second paid attempt is right only after one that surely has ended without a result.
    """
    found = []
    ended: dict[tuple[UUID, int], GenerationAttempt] = {}
    for each in sorted(attempts, key=lambda each: (str(_photo(each)), each.number)):
        before = ended.get(_photo(each))
        if before is not None and (before.state == "done" or before.trouble == "unclear"):
            found.append(f"{each.job_id}: attempt {each.number} after one that was {before.state}")
        ended[_photo(each)] = each
    return found


def _books(attempts: list[GenerationAttempt], accepted: Mapping[str, list[str]]) -> Check:
    """Each accepted run is that of one attempt, or of one whose id nobody could find."""
    wrong = []
    for engine, runs in accepted.items():
        ours = [each for each in attempts if each.engine == engine]
        known = {each.external_id for each in ours}
        doubtful = sum(each.external_id is None and each.charged == "maybe" for each in ours)
        strange = [run for run in runs if run not in known]
        if len(strange) > doubtful:
            wrong.append(f"{engine}: {strange} were accepted, {doubtful} orders are in doubt")
    total = sum(map(len, accepted.values()))
    return Check("a run that a provider accepted is that of one attempt", total, wrong)
