"""The six operations on FastAPI, SQLAlchemy, psycopg2 and pydantic, as its tutorial teaches.

Tables are the product's, and so is the signature of links; all else is written out here. Locks and
look-ups are joined into the statements that the product joins them into; a session per request adds
its BEGIN and ROLLBACK to reads, and a NOTIFY is a statement of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from sqlalchemy import (
    Text,
    cast,
    create_engine,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, joinedload, sessionmaker

import settings
from db.connections import database_url
from db.models import Data, GenerationModel, Job, Payment, PaymentEvent, Referral, Transaction, User
from providers import registry

current = settings.load()
engine = create_engine(database_url(), pool_size=current.server_threads, max_overflow=0)
SessionLocal = sessionmaker(bind=engine, expire_on_commit=False)
app = FastAPI()


def get_session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


def require_key(x_api_key: Annotated[str, Header()]) -> None:
    if not any(hmac.compare_digest(x_api_key, key) for key in current.server_api_key):
        raise HTTPException(401, "unauthorized")


Db = Annotated[Session, Depends(get_session)]
SECURED = [Depends(require_key)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)


class UserOut(Out):
    id: UUID
    telegram_id: str
    username: str | None = None
    anon_user_id: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    balance_tokens: float
    ref_code: str
    referrer_id: UUID | None = None
    has_left_review: bool
    consent_pd: bool
    created_at: datetime
    updated_at: datetime


class BalanceOut(Out):
    balance_tokens: float


class JobOut(Out):
    id: UUID
    user_id: UUID
    model_id: UUID
    order_id: str
    service_type: Literal["animate", "restore"]
    status: Literal["waiting_payment", "queued", "processing", "done", "failed"]
    price_rub: float
    tokens_reserved: float
    tokens_consumed: float
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    result_url: str | None = None
    progress: int
    meta: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class In(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class UserIn(In):
    telegram_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
    username: Annotated[str, Field(max_length=64)] | None = None
    anon_user_id: str | None = None
    ref_code: str | None = None


class InputItem(In):
    type: Literal["image", "video", "text", "audio"] = "image"
    data_id: UUID | None = None
    url: Annotated[str, Field(max_length=2048, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://\S+$")] | None = (
        None
    )
    meta: dict[str, Any] | None = None

    @model_validator(mode="after")
    def has_source(self) -> InputItem:
        if self.data_id is None and self.url is None:
            raise ValueError("needs dataId or url")
        return self


class JobIn(In):
    user_id: UUID
    service_type: Literal["animate", "restore"]
    description: Annotated[str, Field(max_length=300)] | None = None
    input: Annotated[list[InputItem], Field(min_length=1, max_length=10)]


class StripeSession(BaseModel):
    id: str
    status: str
    payment_status: str
    amount_total: int
    currency: str
    client_reference_id: UUID
    payment_intent: str | None
    livemode: bool


class StripeData(BaseModel):
    object: StripeSession


class StripeEvent(BaseModel):
    id: str
    type: str
    created: int
    data: StripeData


def load_user(session: Session, user_id: UUID) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "user_not_found")
    return user


def lock_with_price(
    session: Session, user_id: UUID, service_type: str, data_ids: list[UUID]
) -> tuple[User, GenerationModel, dict[str, list[str]] | None]:
    kept = (
        select(Data.id, Data.status, Data.type)
        .where(Data.id.in_(data_ids))
        .with_for_update(read=True, key_share=True)
        .subquery("kept")
    )
    files = select(
        func.jsonb_object_agg(
            cast(kept.c.id, Text), func.jsonb_build_array(kept.c.status, kept.c.type)
        )
    ).scalar_subquery()
    row = session.execute(
        select(User, GenerationModel, files.label("files"))
        .outerjoin(
            GenerationModel,
            (GenerationModel.service_type == service_type) & GenerationModel.is_default,
        )
        .where(User.id == user_id)
        .with_for_update(key_share=True, of=User)
    ).one_or_none()
    if row is None:
        raise HTTPException(404, "user_not_found")
    if row.GenerationModel is None:
        raise HTTPException(409, "service_unavailable_now")
    return row.User, row.GenerationModel, row.files


def job_out(job: Job, result: Data | None) -> JobOut:
    url = None
    if job.status == "done" and result is not None and result.status != "deleted":
        url = registry.storage().url(
            result.storage_key,
            expires_in=current.link_ttl_seconds,
            content_type=result.content_type,
        )
    return JobOut(
        id=job.id,
        user_id=job.user_id,
        model_id=job.model_id,
        order_id=str(job.number),
        service_type=job.service_type,
        status=job.status,
        price_rub=job.price_rub,
        tokens_reserved=job.tokens_reserved,
        tokens_consumed=job.tokens_consumed,
        input=job.input,
        output=job.output,
        result_url=url,
        progress=job.progress,
        meta=job.meta,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )


@app.get(
    "/api/v1/users/{user_id}",
    response_model=UserOut,
    response_model_exclude_none=True,
    dependencies=SECURED,
)
def get_user(user_id: UUID, session: Db) -> Any:
    return load_user(session, user_id)


@app.get("/api/v1/users/{user_id}/balance", response_model=BalanceOut, dependencies=SECURED)
def get_balance(user_id: UUID, session: Db) -> Any:
    return load_user(session, user_id)


@app.post(
    "/api/v1/users/register-or-login",
    response_model=UserOut,
    response_model_exclude_none=True,
    dependencies=SECURED,
)
def register_or_log_in(body: UserIn, session: Db) -> Any:
    user = session.scalar(select(User).where(User.telegram_id == body.telegram_id))
    if user is None:
        user = User(
            telegram_id=body.telegram_id,
            username=body.username,
            anon_user_id=body.anon_user_id,
            ref_code=secrets.token_urlsafe(6),
        )
        session.add(user)
    else:
        if body.username and body.username != user.username:
            user.username = body.username
        if body.anon_user_id and not user.anon_user_id:
            user.anon_user_id = body.anon_user_id
    session.commit()
    return user


@app.get(
    "/api/v1/jobs",
    response_model=list[JobOut],
    response_model_exclude_none=True,
    dependencies=SECURED,
)
def list_jobs(
    session: Db,
    user_id: Annotated[UUID, Query(alias="userId")],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Any:
    jobs = session.scalars(
        select(Job)
        .options(joinedload(Job.result))
        .where(Job.user_id == user_id)
        .order_by(Job.number.desc())
        .limit(limit + 1)
    ).all()
    if not jobs:
        load_user(session, user_id)
    return [job_out(job, job.result) for job in jobs[:limit]]


@app.post(
    "/api/v1/jobs",
    status_code=201,
    response_model=JobOut,
    response_model_exclude_none=True,
    dependencies=SECURED,
)
def create_job(body: JobIn, session: Db) -> Any:
    wanted = [item.data_id for item in body.input if item.data_id]
    user, model, files = lock_with_price(session, body.user_id, body.service_type, wanted)
    if current.require_consent and not user.consent_pd:
        raise HTTPException(403, "consent_required")
    if any((files or {}).get(str(each)) != ["confirmed", "image"] for each in wanted):
        raise HTTPException(409, "data_not_usable")
    job = Job(
        user_id=user.id,
        model_id=model.id,
        service_type=body.service_type,
        status="waiting_payment",
        description=body.description,
        price_tokens=model.price_tokens,
        price_rub=model.price_rub,
        input=[
            item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in body.input
        ],
        output=[],
        meta={},
    )
    if user.balance_tokens >= model.price_tokens:
        job.status = "queued"
        job.tokens_reserved = job.price_tokens
        job.run_at = job.updated_at = func.now()
    session.add(job)
    session.flush()
    if job.status == "queued":
        move_tokens(session, user.id, -job.price_tokens, type="charge", job_id=job.id)
        session.execute(text("NOTIFY jobs_queued"))
    session.commit()
    return job_out(job, None)


HAS_WAITING = literal_column(
    "EXISTS (SELECT FROM jobs WHERE jobs.user_id = transactions.user_id"
    " AND jobs.status = 'waiting_payment')"
).label("has_waiting")


def move_tokens(session: Session, user_id: UUID, tokens: Decimal, **columns: Any) -> Any:
    moved = (
        update(User)
        .where(User.id == user_id, User.balance_tokens + tokens >= 0)
        .values(
            balance_tokens=User.balance_tokens + tokens,
            ledger_seq=User.ledger_seq + 1,
            updated_at=func.now(),
        )
        .returning(User.id, User.ledger_seq, User.balance_tokens)
        .cte("moved")
    )
    values = {"id": uuid4(), "tokens_delta": tokens, **columns}
    table = Transaction.__table__
    row = session.execute(
        insert(Transaction)
        .from_select(
            ["user_id", "seq", "balance_after", *values],
            select(
                moved.c.id,
                moved.c.ledger_seq,
                moved.c.balance_tokens,
                *(
                    literal(value, table.c[name].type).cast(table.c[name].type)
                    for name, value in values.items()
                ),
            ),
        )
        .returning(Transaction.balance_after, HAS_WAITING)
    ).one_or_none()
    if row is None:
        raise HTTPException(409, "not_enough_tokens")
    return row


async def signed_event(request: Request, stripe_signature: Annotated[str, Header()]) -> StripeEvent:
    raw = await request.body()
    parts = [part.split("=", 1) for part in stripe_signature.split(",")]
    stamp = next(value for name, value in parts if name == "t")
    given = [value for name, value in parts if name == "v1"]
    signed = f"{stamp}.".encode() + raw
    expected = [
        hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        for secret in current.stripe_webhook_secret
    ]
    if not any(hmac.compare_digest(a, b) for a in expected for b in given):
        raise HTTPException(401, "signature_invalid")
    if abs(time.time() - int(stamp)) > 300:
        raise HTTPException(401, "signature_invalid")
    return StripeEvent.model_validate_json(raw)


@app.post("/api/v1/webhooks/payments/stripe")
def stripe_webhook(event: Annotated[StripeEvent, Depends(signed_event)], session: Db) -> Any:
    checkout = event.data.object
    payment, owes_referral_reward = lock_payment(session, checkout) or (None, False)
    state, reason = verdict(payment, checkout)
    judged = {
        "state": state,
        "reason": reason,
        "payment_id": payment and payment.id,
        "applied_at": func.now(),
    }
    new = session.execute(
        upsert(PaymentEvent)
        .values(
            provider="stripe",
            event_key=event.id,
            kind=event.type,
            reference=checkout.id,
            notice=event.model_dump(mode="json"),
            **judged,
        )
        .on_conflict_do_nothing()
    )
    if not new.rowcount:
        known = session.scalars(
            select(PaymentEvent)
            .where(PaymentEvent.provider == "stripe", PaymentEvent.event_key == event.id)
            .with_for_update()
        ).one()
        if known.state in ("applied", "ignored"):
            session.commit()
            return {}
        for column, value in judged.items():
            setattr(known, column, value)
    if payment is not None and state == "applied":
        credit(session, payment, checkout, event)
        if owes_referral_reward:
            reward_inviter(session, payment)
    session.commit()
    return {}


def verdict(payment: Payment | None, checkout: StripeSession) -> tuple[str, str | None]:
    if payment is None:
        return "parked", "unknown_reference"
    if (checkout.amount_total, checkout.currency.upper()) != (
        payment.asked_minor,
        payment.asked_currency,
    ):
        return "parked", "amount_mismatch"
    if payment.status == "pending" and checkout.payment_status == "paid":
        return "applied", None
    return "ignored", None


def lock_payment(session: Session, checkout: StripeSession) -> tuple[Payment, bool] | None:
    found = func.coalesce(
        *(
            select(Payment.id)
            .where(Payment.provider == "stripe", column == value)
            .scalar_subquery()
            for column, value in (
                (Payment.charge_reference, checkout.payment_intent),
                (Payment.reference, checkout.id),
                (Payment.id, checkout.client_reference_id),
            )
        )
    )
    invited = exists().where(Referral.invitee_id == Payment.user_id, ~Referral.invitee_paid)
    row = session.execute(
        select(Payment, invited.label("invited"))
        .join(User, User.id == Payment.user_id)
        .where(Payment.id == found)
        .with_for_update(key_share=True, of=[User, Payment])
    ).one_or_none()
    return row and (row.Payment, row.invited)


def credit(session: Session, payment: Payment, checkout: StripeSession, event: StripeEvent) -> None:
    payment.charge_reference = payment.charge_reference or checkout.payment_intent
    payment.status = "succeeded"
    payment.paid_at = datetime.fromtimestamp(event.created, UTC)
    payment.next_check_at = None
    payment.updated_at = func.now()
    session.execute(
        update(Transaction)
        .where(
            Transaction.payment_id == payment.id,
            Transaction.type == "gateway_payment",
            Transaction.status == "pending",
        )
        .values(status="success", reference=payment.reference)
    )
    moved = move_tokens(
        session,
        payment.user_id,
        payment.tokens,
        type="purchase",
        payment_id=payment.id,
        provider="stripe",
        amount_rub=payment.amount_rub,
        currency="RUB",
        plan=payment.plan,
        reference=payment.reference,
        meta={"paymentId": str(payment.id)},
    )
    if moved.has_waiting:
        start_waiting(session, payment.user_id, moved.balance_after)


def start_waiting(session: Session, user_id: UUID, balance: Decimal) -> None:
    waiting = session.scalars(
        select(Job)
        .where(Job.user_id == user_id, Job.status == "waiting_payment", Job.price_tokens <= balance)
        .order_by(Job.number)
        .with_for_update()
    ).all()
    for job in waiting:
        if job.price_tokens <= balance:
            balance -= job.price_tokens
            job.status, job.tokens_reserved = "queued", job.price_tokens
            session.flush()
            move_tokens(session, user_id, -job.price_tokens, type="charge", job_id=job.id)


def reward_inviter(session: Session, payment: Payment) -> None:
    referral = session.scalar(
        select(Referral)
        .where(Referral.invitee_id == payment.user_id, ~Referral.invitee_paid)
        .with_for_update()
    )
    if referral is not None:
        referral.invitee_paid = True
        referral.payment_id = payment.id
