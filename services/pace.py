"""How long each model has really taken for a photo, for what waiting customers are told."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, UpdateBase, cast, func, select, update
from sqlalchemy.orm import Session

from db import write
from db.models import GenerationModel, Job

LATELY = timedelta(hours=1)
ENOUGH = 5  # orders; fewer say little


def measure(session: Session, *, now: datetime) -> int:
    """Keep the median of each model's orders that were done lately, nothing where there are too
    few; returns for how many models that has changed.
    """
    return _measure(session, now - LATELY)


@write
def _measure(since: datetime) -> UpdateBase:
    seconds = func.extract("epoch", Job.finished_at - Job.started_at) / Job.photos
    median = func.percentile_cont(0.5).within_group(seconds)
    lately = (
        select(Job.model_id, func.greatest(1, cast(func.ceil(median), BigInteger)).label("seconds"))
        .where(Job.status == "done", Job.finished_at > since, Job.started_at.is_not(None))
        .group_by(Job.model_id)
        .having(func.count() >= ENOUGH)
        .subquery()
    )
    measured = (
        select(lately.c.seconds).where(lately.c.model_id == GenerationModel.id).scalar_subquery()
    )
    return (
        update(GenerationModel)
        .where(GenerationModel.measured_seconds.is_distinct_from(measured))
        .values(measured_seconds=measured)
    )
