"""Orders: priced, paid by a reserve, cancelled. The workers' side is services/queue.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, case, func, insert, or_, select
from sqlalchemy.orm import Session

import settings
from db import Reader, Record, Statement, notifications
from db.models import Data, GenerationModel, Job, User
from errors import ApiError
from services import data, events, funding, ledger, models, paging, users

# The contract's IOObject; anything else a client sends is not stored.
INPUT_FIELDS = ("type", "dataId", "url", "meta")
ENDED = ("done", "failed")
# Shown to the customer by the bot.
NOT_PAID_TEXT = "Заказ закрыт: оплата так и не поступила."
CANCELLED_TEXT = "Заказ отменён, токены возвращены на баланс."
CANCELLED_UNPAID_TEXT = "Заказ отменён, токены за него не списывались."


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
) -> SimpleNamespace:
    """Order a service: `queued` with its price reserved, or `waiting_payment` with nothing taken.

    Each input is a photo with a result and a price of its own; the job's price is that of all.
    model_id: of the model to use, None for the default one of the service. client_ref: the bot's
    own words, by which it finds the order again; they are kept and returned, never logged. ApiError
    `user_not_found`, `consent_required`, those of models.require_offered and of
    data.require_usable.
    """
    terms = _terms(session, user_id, service_type, data.ids_of(input), model_id)
    data.require_usable(input, terms.files)
    job = SimpleNamespace(
        **_made_of(terms, len(input)),
        user_id=user_id,
        service_type=service_type,
        description=description,
        client_ref=client_ref,
        input=[_kept(item) for item in input],
        meta=meta or {},
    )
    _INSERT.run(session, **{name: getattr(job, name) for name in _INSERTED})
    if job.tokens_reserved:
        ledger.post(session, user_id, -job.price_tokens, type="charge", job_id=job.id)
    return job


def get(reader: Reader, job_id: UUID) -> Record:
    """The job, the place of its result and its user's balance. ApiError `job_not_found`."""
    job = _SELECT.one_or_none(reader, job_id=job_id)
    if job is None:
        raise ApiError("job_not_found")
    return job


def states(reader: Reader, job_ids: list[UUID]) -> dict[UUID, tuple[str, int]]:
    """Status and progress of these jobs, for those who wait for a change."""
    rows = _STATES.all(reader, job_ids=job_ids) if job_ids else []
    return {row.id: (row.status, row.progress) for row in rows}


def of_user(reader: Reader, user_id: UUID, *, limit: int, cursor: str | None) -> paging.Page:
    """The user's jobs, newest first. ApiError `user_not_found`."""
    return _LIST.page(reader, limit=limit, cursor=cursor, owner_id=user_id)


def cancel(session: Session, job_id: UUID) -> Job:
    """Take a job that no worker has started out of the queue and return its tokens, once.

    A repeat changes nothing. ApiError `job_not_found`, `job_not_cancellable`.
    """
    job = lock(session, job_id)
    if job.status == "failed" and job.meta.get("reason") == "cancelled":
        return job
    if job.status not in ("waiting_payment", "queued"):
        raise ApiError("job_not_cancellable", details={"status": job.status})
    message = CANCELLED_TEXT if job.tokens_reserved else CANCELLED_UNPAID_TEXT
    error = {"code": "cancelled", "message": message}
    end_unfinished(session, job, {"reason": "cancelled", "error": error})
    return job


def recent(session: Session, *, status: str | None, limit: int) -> list[Job]:
    """The newest jobs of all users, of one status if given."""
    query = select(Job).order_by(Job.number.desc()).limit(limit)
    return list(session.scalars(query.where(Job.status == status) if status else query))


def fail(session: Session, job_id: UUID, *, reason: str) -> Job:
    """End a live job as failed and return its tokens; its worker's result is then fenced off.

    ApiError `job_not_found`; ValueError for a job that has ended.
    """
    job = lock(session, job_id)
    if job.status in ENDED:
        raise ValueError(f"the job is {job.status} already")
    meta = {"reason": "failed", "error": {"code": "operator", "message": reason}}
    end_unfinished(session, job, meta)
    return job


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


def _made_of(terms: Record, photos: int) -> dict[str, Any]:
    """What the terms say of a new job: reserved if the balance covers it."""
    price_tokens = terms.price_tokens * photos
    queued = terms.balance_tokens >= price_tokens
    return {
        "id": uuid4(),
        "number": terms.number,
        "model_id": terms.model_id,
        "engine": terms.engine,
        "status": "queued" if queued else "waiting_payment",
        "spendable_tokens": terms.balance_tokens,
        "price_tokens": price_tokens,
        "price_rub": terms.price_rub * photos,
        "tokens_reserved": price_tokens if queued else Decimal(0),
        "tokens_consumed": Decimal(0),
        "photos": photos,
        "output": [],
        "progress": 0,
        "created_at": terms.ordered_at,
        "updated_at": terms.ordered_at,
    }


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    """An input as it is stored: files are looked up by their id in the database's spelling."""
    kept = {name: item[name] for name in INPUT_FIELDS if name in item}
    if "dataId" in kept:
        kept["dataId"] = str(UUID(kept["dataId"]))
    return kept


def _terms(
    session: Session,
    user_id: UUID,
    service_type: str,
    data_ids: list[UUID],
    model_id: UUID | None,
) -> Record:
    """What the user can spend, what the service costs and which of the files exist.

    The user is locked, as by ledger.lock, and the files are locked against deletion.
    """
    terms = _SELECT_TERMS.one_or_none(
        session,
        user_id=user_id,
        service_type=service_type,
        data_ids=data_ids,
        chosen_id=model_id,
    )
    if terms is None:
        raise ApiError("user_not_found")
    users.require_consent(terms.consent_pd)
    models.require_offered(terms, service_type, chosen=model_id is not None)
    return terms


_SELECT_TERMS = Statement(
    select(
        User.balance_tokens,
        User.consent_pd,
        GenerationModel.id.label("model_id"),
        GenerationModel.engine,
        GenerationModel.active.label("model_active"),
        GenerationModel.service_type.label("model_service_type"),
        GenerationModel.price_tokens,
        GenerationModel.price_rub,
        data.FOUND.label("files"),
        func.nextval("jobs_number_seq").label("number"),
        func.now().label("ordered_at"),
    )
    .outerjoin_from(
        User,
        GenerationModel,
        or_(
            GenerationModel.id == bindparam("chosen_id", type_=Uuid),
            and_(
                bindparam("chosen_id", type_=Uuid).is_(None),
                GenerationModel.service_type == bindparam("service_type"),
                GenerationModel.is_default,
            ),
        ),
    )
    .where(User.id == bindparam("user_id"))
    .with_for_update(key_share=True, of=User)
)
_TABLE: Any = Job.__table__
_NOT_SHOWN = (
    "description",
    "engine",
    "photos",
    "results",
    "result_data_id",
    "releases",
    "run_at",
    "lease_until",
    "worker",
    "finished_at",
)
_INSERTED = (
    "id",
    "number",
    "user_id",
    "model_id",
    "engine",
    "service_type",
    "status",
    "description",
    "client_ref",
    "price_tokens",
    "price_rub",
    "tokens_reserved",
    "tokens_consumed",
    "photos",
    "input",
    "output",
    "progress",
    "meta",
    "created_at",
    "updated_at",
)
# A worker is woken when this transaction commits.
_INSERT = Statement(
    insert(_TABLE)
    .values({name: bindparam(name) for name in _INSERTED})
    .returning(
        case((_TABLE.c.status == "queued", func.pg_notify(notifications.JOB_CHANNEL, ""))).label(
            "woken"
        )
    )
)
_RESULT = (
    Data.status.label("result_status"),
    Data.storage_key.label("result_key"),
    Data.content_type.label("result_content_type"),
    # What its user has, to say what is missing for it.
    User.balance_tokens.label("spendable_tokens"),
)
_SELECT = Statement(
    select(*Job.columns(), *_RESULT)
    .join(User, User.id == Job.user_id)
    .outerjoin(Job.result)
    .where(Job.id == bindparam("job_id"))
)
_STATES = Statement(
    select(Job.id, Job.status, Job.progress).where(
        Job.id == any_(bindparam("job_ids", type_=ARRAY(Uuid)))
    )
)
_LIST = paging.Listing(
    select(*Job.shown(*_NOT_SHOWN), *_RESULT)
    .join(User, User.id == Job.user_id)
    .outerjoin(Job.result)
    .where(Job.user_id == bindparam("owner_id")),
    Job.number,
)
