"""Orders: priced, paid by a reserve, cancelled. Workers' side is services/queue.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Bundle, Session, joinedload

import settings
from db.models import Data, GenerationModel, Job
from errors import ApiError
from services import data, funding, ledger, paging, users

# The contract's IOObject; what else a client sends is not kept.
INPUT_FIELDS = ("type", "dataId", "url", "meta")
# Shown to the customer by the bot.
NOT_PAID_TEXT = "Заказ закрыт: оплата так и не поступила."
CANCELLED_TEXT = "Заказ отменён, токены возвращены на баланс."


def create(
    session: Session,
    user_id: UUID,
    *,
    service_type: str,
    input: list[dict[str, Any]],
    description: str | None = None,
    meta: dict[str, Any] | None = None,
) -> Job:
    """Order a service: `queued` with its price reserved, or `waiting_payment` with nothing taken.

    ApiError `user_not_found`, `consent_required`, `service_unavailable_now` and those of
    data.usable_images.
    """
    user = ledger.lock(session, user_id)
    users.require_consent(user)
    model = _default_model(session, service_type)
    data.usable_images(session, input)
    job = Job(
        user_id=user_id,
        model_id=model.id,
        service_type=service_type,
        status="waiting_payment",
        description=description,
        price_tokens=model.price_tokens,
        price_rub=model.price_rub,
        input=[{name: item[name] for name in INPUT_FIELDS if name in item} for item in input],
        output=[],
        meta=meta or {},
    )
    session.add(job)
    if user.balance_tokens >= model.price_tokens:
        funding.reserve(session, job)
    session.flush()
    return job


def get(session: Session, job_id: UUID) -> Job:
    """ApiError `job_not_found`."""
    job = session.scalar(_WITH_RESULT, {"job_id": job_id})
    if job is None:
        raise ApiError("job_not_found")
    return job


def of_user(session: Session, user_id: UUID, *, limit: int, cursor: str | None) -> paging.Page[Job]:
    """The user's jobs, newest first. ApiError `user_not_found`."""
    return paging.page(
        session,
        _LISTED.where(Job.user_id == user_id),
        Job.number,
        owner_id=user_id,
        limit=limit,
        cursor=cursor,
    )


def cancel(session: Session, job_id: UUID) -> Job:
    """Take a job that nobody works on yet out of the queue and give its tokens back, once.

    A repeat changes nothing. ApiError `job_not_found`, `job_not_cancellable`.
    """
    job = lock(session, job_id)
    if job.status == "failed" and job.meta.get("reason") == "cancelled":
        return job
    if job.status not in ("waiting_payment", "queued"):
        raise ApiError("job_not_cancellable", details={"status": job.status})
    end_unfinished(
        session,
        job,
        {"reason": "cancelled", "error": {"code": "cancelled", "message": CANCELLED_TEXT}},
    )
    return job


def expire_waiting(session: Session, *, now: datetime) -> bool:
    """Close the first job that nobody paid for within WAITING_JOB_TTL_HOURS; whether there was one.

    One in a transaction: each locks its user, and a payment locks the customer and then the
    inviter, so that two users held here could wait for each other in a circle.
    """
    oldest = now - timedelta(hours=settings.load().waiting_job_ttl_hours)
    due = select(Job.id).where(Job.status == "waiting_payment", Job.created_at < oldest)
    job_id = session.scalar(due.order_by(Job.created_at).limit(1))
    if job_id is None:
        return False
    job = lock(session, job_id)
    if job.status == "waiting_payment":  # a payment may have been faster
        error = {"code": "not_paid", "message": NOT_PAID_TEXT}
        end_unfinished(session, job, {"reason": "not_paid", "error": error})
    return True


def lock(session: Session, job_id: UUID) -> Job:
    """The job, locked after its user as everywhere. ApiError `job_not_found`."""
    ledger.lock(session, get(session, job_id).user_id)
    # A worker may have changed it between the two statements: what counts is the locked row.
    return session.scalars(
        select(Job)
        .where(Job.id == job_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def end_unfinished(session: Session, job: Job, meta: dict[str, Any]) -> None:
    """End a job as `failed` and return what it reserved; the caller holds user and job locks."""
    reserved = job.tokens_reserved
    job.status = "failed"
    job.tokens_reserved = Decimal(0)
    job.lease_until = None
    job.worker = None
    job.meta = {**job.meta, **meta}
    job.updated_at = job.finished_at = func.now()
    session.flush()
    if reserved:
        funding.credit(
            session,
            job.user_id,
            reserved,
            type="refund",
            job_id=job.id,
            meta={"reason": meta["reason"]},
        )


def _default_model(session: Session, service_type: str) -> GenerationModel:
    model = session.scalar(_DEFAULT_MODEL, {"service_type": service_type})
    if model is None:
        raise ApiError("service_unavailable_now")
    return model


_DEFAULT_MODEL = select(GenerationModel).where(
    GenerationModel.service_type == bindparam("service_type"), GenerationModel.is_default
)
_WITH_RESULT = select(Job).where(Job.id == bindparam("job_id")).options(joinedload(Job.result))
# A page is many rows, which only are shown: values without the ORM's objects cost half.
_SHOWN: Bundle[Any] = Bundle(
    "job",
    *(
        getattr(Job, name)
        for name in (
            "id",
            "number",
            "user_id",
            "model_id",
            "service_type",
            "status",
            "price_rub",
            "tokens_reserved",
            "tokens_consumed",
            "input",
            "output",
            "progress",
            "attempt",
            "meta",
            "created_at",
            "updated_at",
        )
    ),
    Bundle("result", Data.status, Data.storage_key, Data.content_type),
)
_LISTED = select(_SHOWN).outerjoin(Job.result)
