"""Every table, with the constraints that guard its rules.

Enums are text with a named CHECK, so that a value can be added by one migration. The triggers that
keep the ledger append-only and equal to the balances are in db/migrations/versions/0001_core.py.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from db.types import Amount, UtcDateTime

DATA_TYPES = ("image", "video", "text", "audio")
SERVICE_TYPES = ("animate", "restore")
JOB_STATUSES = ("waiting_payment", "queued", "processing", "done", "failed")
TRANSACTION_TYPES = ("charge", "purchase", "refund", "promo", "gateway_payment")
TRANSACTION_STATUSES = ("success", "failed", "pending")
TRANSACTION_PROVIDERS = ("yookassa", "stripe", "telegram", "manual")


def one_of(column: str, values: tuple[str, ...]) -> str:
    """SQL of a CHECK that `column` is one of `values`."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Table(DeclarativeBase):
    __mapper_args__ = {"eager_defaults": True}  # server-side values come back with RETURNING
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        str: Text,
        int: BigInteger,
        Decimal: Amount,
        datetime: UtcDateTime,
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }


class User(Table):
    """A Telegram user. `balance_tokens` is what can be spent now; only the ledger moves it."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    telegram_id: Mapped[str] = mapped_column(unique=True)
    username: Mapped[str | None]
    anon_user_id: Mapped[str | None]
    email: Mapped[str | None]
    avatar_url: Mapped[str | None]
    balance_tokens: Mapped[Decimal] = mapped_column(server_default="0")
    ledger_seq: Mapped[int] = mapped_column(server_default="0")
    ref_code: Mapped[str] = mapped_column(unique=True)
    referrer_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    has_left_review: Mapped[bool] = mapped_column(server_default="false")
    consent_pd: Mapped[bool] = mapped_column(server_default="false")
    consent_pd_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("balance_tokens >= 0", "balance_not_negative"),
        CheckConstraint("referrer_id <> id", "not_own_referrer"),
        Index(None, "referrer_id", postgresql_where=text("referrer_id IS NOT NULL")),
    )


class Data(Table):
    """A stored file: reserved by presign (`pending`), usable once `confirmed`."""

    __tablename__ = "data"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    type: Mapped[str]
    status: Mapped[str]
    storage_key: Mapped[str] = mapped_column(unique=True)
    content_type: Mapped[str]
    size_bytes: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("type", DATA_TYPES), "type"),
        CheckConstraint(one_of("status", ("pending", "confirmed", "deleted")), "status"),
        CheckConstraint("status <> 'confirmed' OR size_bytes > 0", "confirmed_has_size"),
        Index(
            "ix_data_live_created_at", "created_at", postgresql_where=text("status <> 'deleted'")
        ),
    )


class GenerationModel(Table):
    """What a service costs and which engine does it; one default per service."""

    __tablename__ = "generation_models"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    service_type: Mapped[str]
    engine: Mapped[str]
    price_tokens: Mapped[Decimal]
    price_rub: Mapped[Decimal]
    active: Mapped[bool] = mapped_column(server_default="true")
    is_default: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("service_type", SERVICE_TYPES), "service_type"),
        CheckConstraint("price_tokens > 0 AND price_rub > 0", "price_positive"),
        CheckConstraint("active OR NOT is_default", "default_is_active"),
        Index(
            "uq_generation_models_default",
            "service_type",
            unique=True,
            postgresql_where=text("is_default"),
        ),
    )


class Tariff(Table):
    """A package of tokens at a price."""

    __tablename__ = "tariffs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    monthly_tokens: Mapped[int]
    cost_rub: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(server_default="RUB")
    active: Mapped[bool] = mapped_column(server_default="true")
    position: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("monthly_tokens > 0 AND cost_rub > 0", "price_positive"),
        Index("ix_tariffs_offered", "position", "number", postgresql_where=text("active")),
    )


class Job(Table):
    """An order, and its place in the queue: workers claim rows of this table.

    `attempt` is the fencing token: every write of a worker names the attempt it was given.
    """

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True, start=1001), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    model_id: Mapped[UUID] = mapped_column(ForeignKey("generation_models.id"))
    service_type: Mapped[str]
    status: Mapped[str]
    description: Mapped[str | None]
    price_tokens: Mapped[Decimal]
    price_rub: Mapped[Decimal]
    tokens_reserved: Mapped[Decimal] = mapped_column(server_default="0")
    tokens_consumed: Mapped[Decimal] = mapped_column(server_default="0")
    input: Mapped[list[dict[str, Any]]]
    output: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    result_data_id: Mapped[UUID | None] = mapped_column(ForeignKey("data.id"))
    progress: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    meta: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    worker: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    result: Mapped[Data | None] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint(one_of("service_type", SERVICE_TYPES), "service_type"),
        CheckConstraint(one_of("status", JOB_STATUSES), "status"),
        CheckConstraint("progress BETWEEN 0 AND 100", "progress"),
        CheckConstraint("char_length(description) <= 300", "description"),
        CheckConstraint(
            "tokens_reserved = CASE WHEN status IN ('queued', 'processing')"
            " THEN price_tokens ELSE 0 END",
            "reserved_while_live",
        ),
        CheckConstraint(
            "tokens_consumed = CASE WHEN status = 'done' THEN price_tokens ELSE 0 END",
            "consumed_when_done",
        ),
        CheckConstraint("(status = 'processing') = (lease_until IS NOT NULL)", "lease"),
        CheckConstraint("(status = 'done') <= (result_data_id IS NOT NULL)", "done_has_result"),
        Index("ix_jobs_user", "user_id", "number"),
        Index(
            "ix_jobs_waiting",
            "user_id",
            "number",
            postgresql_where=text("status = 'waiting_payment'"),
        ),
        Index("ix_jobs_queued", "run_at", "number", postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_leased", "lease_until", postgresql_where=text("status = 'processing'")),
        Index(
            "ix_jobs_result", "result_data_id", postgresql_where=text("result_data_id IS NOT NULL")
        ),
    )


class Transaction(Table):
    """The ledger. A row that moves tokens is final and chained to the one before it by `seq`."""

    __tablename__ = "transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="success")
    provider: Mapped[str | None]
    amount_rub: Mapped[Decimal | None]
    tokens_delta: Mapped[Decimal] = mapped_column(server_default="0")
    seq: Mapped[int | None]
    balance_after: Mapped[Decimal | None]
    currency: Mapped[str | None]
    plan: Mapped[str | None]
    reference: Mapped[str | None]
    bonus_key: Mapped[str | None]
    meta: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("type", TRANSACTION_TYPES), "type"),
        CheckConstraint(one_of("status", TRANSACTION_STATUSES), "status"),
        CheckConstraint(one_of("provider", TRANSACTION_PROVIDERS), "provider"),
        CheckConstraint("type = 'gateway_payment' OR status = 'success'", "moves_are_final"),
        CheckConstraint(
            "(tokens_delta = 0) = (seq IS NULL) AND (seq IS NULL) = (balance_after IS NULL)",
            "moves_are_chained",
        ),
        CheckConstraint("seq >= 1 AND balance_after >= 0", "chain_values"),
        CheckConstraint(
            "CASE type WHEN 'charge' THEN tokens_delta < 0 AND job_id IS NOT NULL"
            " WHEN 'purchase' THEN tokens_delta > 0"
            " WHEN 'refund' THEN (job_id IS NOT NULL AND tokens_delta > 0)"
            " OR (job_id IS NULL AND tokens_delta <= 0 AND amount_rub < 0)"
            " WHEN 'promo' THEN tokens_delta <> 0 AND bonus_key IS NOT NULL"
            " ELSE tokens_delta = 0 AND amount_rub > 0 END",
            "signs",
        ),
        UniqueConstraint("user_id", "seq"),
        UniqueConstraint("job_id", "type"),
        UniqueConstraint("user_id", "bonus_key"),
        Index("ix_transactions_user", "user_id", "number"),
    )


class IdempotencyKey(Table):
    """The stored answer of one request; written in the transaction of its effect."""

    __tablename__ = "idempotency_keys"

    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("char_length(key) BETWEEN 1 AND 255", "key_length"),
        CheckConstraint("(status IS NULL) = (body IS NULL)", "answer_whole"),
        Index(None, "created_at"),
    )
