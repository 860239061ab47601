"""Money: the ledger and the stored answers of requests that moved it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import PROVIDERS, Table, in_time, newest, one_of

TRANSACTION_TYPES = ("charge", "purchase", "refund", "promo", "gateway_payment")
TRANSACTION_STATUSES = ("success", "failed", "pending")
TRANSACTION_PROVIDERS = (*PROVIDERS, "manual")


class Transaction(Table):
    """The ledger. A row that moves tokens is final and chained to the one before it by `seq`."""

    __tablename__ = "transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
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
            " WHEN 'purchase' THEN tokens_delta > 0 AND payment_id IS NOT NULL"
            " WHEN 'refund' THEN (job_id IS NOT NULL AND tokens_delta > 0)"
            " OR (job_id IS NULL AND payment_id IS NOT NULL AND coalesce(amount_rub, 0) <> 0"
            " AND sign(tokens_delta) IN (0, sign(amount_rub)))"
            " WHEN 'promo' THEN tokens_delta <> 0 AND bonus_key IS NOT NULL"
            " ELSE tokens_delta = 0 AND coalesce(amount_rub, 0) > 0"
            " AND payment_id IS NOT NULL END",
            "signs",
        ),
        UniqueConstraint("user_id", "seq"),
        UniqueConstraint("job_id", "type"),
        UniqueConstraint("user_id", "bonus_key"),
        # A refund's reference is the provider's own, so that tokens are taken back once for each.
        Index(
            "uq_transactions_payment_refund",
            "payment_id",
            "reference",
            unique=True,
            postgresql_where=text("type = 'refund' AND payment_id IS NOT NULL"),
        ),
        Index(
            "uq_transactions_purchase",
            "payment_id",
            unique=True,
            postgresql_where=text("type = 'purchase'"),
        ),
        # A payment that was closed and then paid after all has a failed row and a success.
        Index(
            "uq_transactions_gateway_payment",
            "payment_id",
            unique=True,
            postgresql_where=text("type = 'gateway_payment' AND status <> 'failed'"),
        ),
        in_time("ix_transactions_created", "created_at"),
        Index("ix_transactions_user_newest", "user_id", newest("number")),
    )


class IdempotencyKey(Table):
    """The stored answer of one request; written in the transaction of its effect."""

    __tablename__ = "idempotency_keys"

    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("char_length(key) BETWEEN 1 AND 255", "key_length"),
        CheckConstraint("(status IS NULL) = (body IS NULL)", "answer_whole"),
        Index(None, "created_at"),
    )
