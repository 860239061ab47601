"""Orders: priced, paid by a reserve, cancelled. The workers' side is services/queue.py, and
the operator's list is services/listed_jobs.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    any_,
    bindparam,
    func,
    insert,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, notifications, statement
from db.models import Data, Job, User
from db.rows import JobRow
from db.statements import Write
from errors import ApiError
from services import data, events, funding, ledger, models, paging
from services.models import Terms
from services.terms import locked_terms
from telemetry import logs, tracing

# The contract's IOObject; anything else a client sends is not stored.
INPUT_FIELDS = ("type", "dataId", "url", "meta")
ENDED = ("done", "failed")
# Shown to the customer by the bot.
NOT_PAID_TEXT = "Заказ закрыт: оплата так и не поступила."
CANCELLED_TEXT = "Заказ отменён, токены возвращены на баланс."
CANCELLED_UNPAID_TEXT = "Заказ отменён, токены за него не списывались."


class State(NamedTuple):
    """How far a job has come."""

    id: UUID
    status: str
    progress: int


def create(
    session: Session,
    user_id: UUID,
    *,
    service_type: str,
    input: list[dict[str, Any]],
    description: str | None = None,
    model_id: UUID | None = None,
    client_ref: str | None = None,
    meta: dict[str, Any] | None = None,
) -> JobRow[UUID]:
    """Order a service: `queued` with its price reserved, or `waiting_payment` with nothing taken.

    Each input is a photo with a result and a price of its own; the job's price is that of all.
    model_id: of the model to use, None for the default one of the service. client_ref: the bot's
    own words, by which it finds the order again; they are kept and returned, never logged. meta:
    what the job begins with, such as `retryOf`.

    ApiError `user_not_found`, `user_banned`, `consent_required`, those of models.require_offered
    and of data.require_usable.
    """
    terms = locked_terms(session, user_id, service_type, data.ids_of(input), model_id)
    chosen_id = models.require_offered(terms, service_type, chosen=model_id is not None)
    data.require_usable(input, terms.files)
    job = _new(
        terms,
        user_id,
        chosen_id,
        service_type=service_type,
        input=input,
        client_ref=client_ref,
        meta=meta or {},
    )
    columns = {f"new_{name}": getattr(job, name) for name in _FROM_ROW}
    _INSERT(
        session,
        new_description=description,
        new_request_id=logs.request_id.get(),
        new_traceparent=tracing.traceparent(),
        photo_ids=data.ids_of(input),
        **columns,
    )
    if job.tokens_reserved:
        ledger.post(session, user_id, -job.tokens_reserved, type="charge", job_id=job.id)
        notifications.announce(session)
    return job


def get(reader: Reader, job_id: UUID) -> JobRow[UUID]:
    """The job, its result's file and its user's balance.

    ApiError `job_not_found`, also when its user was erased.
    """
    job = _select.one_or_none(reader, job_id)
    if job is None:
        raise ApiError("job_not_found")
    return job


def states(reader: Reader, job_ids: list[UUID]) -> dict[UUID, tuple[str, int]]:
    """Status and progress of these jobs, for those who wait for a change."""
    rows = _states.all(reader, job_ids) if job_ids else []
    return {row.id: (row.status, row.progress) for row in rows}


def of_user(
    reader: Reader, user_id: UUID, *, limit: int, cursor: str | None
) -> paging.Page[JobRow[str]]:
    """The user's jobs, newest first. ApiError `user_not_found`."""
    return _LIST.page(reader, limit=limit, cursor=cursor, owner_id=user_id)


def cancel(session: Session, job_id: UUID) -> JobRow[UUID]:
    """Take a job that no worker has started out of the queue and return its tokens, once.

    A repeat changes nothing. ApiError `job_not_found`, `job_not_cancellable`.
    """
    job = lock(session, job_id)
    if job.status == "failed" and job.meta.get("reason") == "cancelled":
        return _row(job)
    if job.status not in ("waiting_payment", "queued"):
        raise ApiError("job_not_cancellable", details={"status": job.status})
    message = CANCELLED_TEXT if job.tokens_reserved else CANCELLED_UNPAID_TEXT
    error = {"code": "cancelled", "message": message}
    end_unfinished(session, job, {"reason": "cancelled", "error": error})
    return _row(job)


def fail(session: Session, job_id: UUID, *, reason: str) -> JobRow[UUID]:
    """End a live job as failed and return its tokens; its worker's result is then fenced off.

    ApiError `job_not_found`; ValueError for a job that has ended.
    """
    job = lock(session, job_id)
    if job.status in ENDED:
        raise ValueError(f"the job is {job.status} already")
    meta = {"reason": "failed", "error": {"code": "operator", "message": reason}}
    end_unfinished(session, job, meta)
    return _row(job)


def expire_waiting(session: Session, *, now: datetime) -> bool:
    """Close one job not paid for within WAITING_JOB_TTL_HOURS; returns whether there was one.

    One per transaction: each locks its user, and a payment locks the customer and then the
    inviter, so holding two users here could deadlock.
    """
    oldest = now - timedelta(hours=settings.load().waiting_job_ttl_hours)
    due = select(Job.id).where(Job.status == "waiting_payment", Job.created_at < oldest)
    job_id = session.scalar(due.order_by(Job.created_at).limit(1))
    if job_id is None:
        return False
    job = lock(session, job_id)
    if job.status == "waiting_payment":  # a payment may have come first
        error = {"code": "not_paid", "message": NOT_PAID_TEXT}
        end_unfinished(session, job, {"reason": "not_paid", "error": error})
    return True


def lock(session: Session, job_id: UUID) -> Job:
    """The job, locked after its user, which comes first. ApiError `job_not_found`."""
    ledger.lock_account(session, get(session, job_id).user_id)
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
    job.results = []
    job.meta = {**job.meta, **meta}
    job.updated_at = job.finished_at = func.now()
    session.flush()
    news = events.job_failed(job)
    if not reserved:
        events.tell(session, job.user_id, news)
        return
    funding.credit(
        session,
        job.user_id,
        reserved,
        type="refund",
        news=news,
        job_id=job.id,
        meta={"reason": meta["reason"]},
    )


def _row(job: Job) -> JobRow[UUID]:
    """A job that has no result."""
    return JobRow(**{name: getattr(job, name) for name in JobRow._fields if hasattr(Job, name)})


def _new(
    terms: Terms,
    user_id: UUID,
    model_id: UUID,
    *,
    service_type: str,
    input: list[dict[str, Any]],
    client_ref: str | None,
    meta: dict[str, Any],
) -> JobRow[UUID]:
    """What the terms say of a new job: reserved if the balance covers it."""
    price_tokens = terms.price_tokens * len(input)
    queued = terms.balance_tokens >= price_tokens
    return JobRow(
        id=uuid4(),
        number=terms.number,
        user_id=user_id,
        model_id=model_id,
        engine=terms.engine,
        service_type=service_type,
        status="queued" if queued else "waiting_payment",
        client_ref=client_ref,
        price_tokens=price_tokens,
        price_rub=terms.price_rub * len(input),
        tokens_reserved=price_tokens if queued else Decimal(0),
        tokens_consumed=Decimal(0),
        photos=len(input),
        input=[_kept(item) for item in input],
        output=[],
        progress=0,
        meta=meta,
        attempt=0,
        run_at=terms.ordered_at,
        created_at=terms.ordered_at,
        updated_at=terms.ordered_at,
        spendable_tokens=terms.balance_tokens,
    )


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    """An input as it is stored: files are looked up by their id in the database's spelling."""
    kept = {name: item[name] for name in INPUT_FIELDS if name in item}
    if "dataId" in kept:
        kept["dataId"] = str(UUID(kept["dataId"]))
    return kept


_TABLE: Any = Job.__table__
# What an INSERT takes of JobRow: the rest are the table's defaults, as _new() says them.
_FROM_ROW = (
    *("id", "number", "user_id", "model_id", "engine", "service_type", "status", "client_ref"),
    *("price_tokens", "price_rub", "tokens_reserved", "photos", "input", "meta"),
    *("created_at", "updated_at"),
)
_INSERTED = (*_FROM_ROW, "description", "request_id", "traceparent")
_INSERT: Write[...] = Write(
    insert(_TABLE)
    .add_cte(data.used("photo_ids"))
    .values({name: bindparam(f"new_{name}") for name in _INSERTED})
)


def _rows(columns: Iterable[ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    """These columns of jobs, and the other fields of JobRow."""
    return (
        select(
            *columns,
            Data.status.label("result_status"),
            Data.storage_key.label("result_key"),
            Data.content_type.label("result_content_type"),
            User.balance_tokens.label("spendable_tokens"),
        )
        .join_from(Job, User, User.id == Job.user_id)
        .outerjoin(Job.result)
    )


@statement(JobRow[UUID])
def _select(job_id: UUID) -> Query:
    return _rows(Job.columns(JobRow)).where(Job.id == job_id, User.erased_at.is_(None))


@statement(State)
def _states(job_ids: list[UUID]) -> Query:
    return select(*Job.columns(State)).where(Job.id == any_(type_coerce(job_ids, ARRAY(Uuid))))


_LIST = paging.Listing(
    JobRow[str],
    _rows(Job.shown(JobRow)).where(Job.user_id == paging.OWNER),
    Job.number,
)
