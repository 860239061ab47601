"""Payments and the inbox of provider events about them."""

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
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.table import PROVIDERS, Table, one_of

PAYMENT_STATUSES = (
    "pending",
    "succeeded",
    "canceled",
    "expired",
    "partly_refunded",
    "refunded",
    "disputed",
)
PAID_STATUSES = ("succeeded", "partly_refunded", "refunded", "disputed")
# A person should look: the provider did not answer, or a refund did not reach its customer.
TROUBLED = "last_error IS NOT NULL AND status NOT IN ('canceled', 'expired')"
EVENT_STATES = ("applied", "ignored", "parked")


class Payment(Table):
    """One attempt by a user to buy tokens; its id is the idempotency key at the provider.

    `asked_*` is what the provider was asked to collect: kopecks, cents or whole Telegram stars.
    `payer_telegram_id` is whom it was made for until it is paid, and then who has paid.
    `decline_code` is why the last attempt to pay was refused, `asked_at` when a customer last made
    us ask the provider. `receipt_email` is the customer's when it was opened: after a crash the
    provider must hear the same again. `request_id` is in the log line of the request
    that opened it.
    """

    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    provider: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    amount_rub: Mapped[Decimal]
    tokens: Mapped[Decimal]
    tariff_id: Mapped[UUID | None] = mapped_column(ForeignKey("tariffs.id"))
    plan: Mapped[str | None]
    client_ref: Mapped[str | None]
    asked_minor: Mapped[int]
    asked_currency: Mapped[str]
    payer_telegram_id: Mapped[str]
    reference: Mapped[str | None]
    charge_reference: Mapped[str | None]
    payment_url: Mapped[str | None]
    refunded_rub: Mapped[Decimal] = mapped_column(server_default="0")
    refunded_tokens: Mapped[Decimal] = mapped_column(server_default="0")
    shortfall_tokens: Mapped[Decimal] = mapped_column(server_default="0")
    repeats_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    expires_at: Mapped[datetime]
    next_check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    decline_code: Mapped[str | None]
    receipt_email: Mapped[str | None]
    asked_at: Mapped[datetime | None]
    request_id: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("provider", PROVIDERS), "provider"),
        CheckConstraint(one_of("status", PAYMENT_STATUSES), "status"),
        CheckConstraint("amount_rub > 0 AND tokens > 0", "amounts_positive"),
        CheckConstraint(
            "refunded_rub BETWEEN 0 AND amount_rub"
            " AND refunded_tokens >= 0 AND shortfall_tokens >= 0"
            " AND refunded_tokens + shortfall_tokens <= tokens",
            "refunds_within_payment",
        ),
        CheckConstraint(
            f"({one_of('status', PAID_STATUSES)}) = (paid_at IS NOT NULL)", "paid_at_when_paid"
        ),
        CheckConstraint("asked_minor > 0", "asked_positive"),
        CheckConstraint("char_length(client_ref) <= 200", "client_ref"),
        UniqueConstraint("provider", "reference"),
        UniqueConstraint("provider", "charge_reference"),
        Index("ix_payments_user", "user_id", "number"),
        Index("ix_payments_newest", "created_at", "number"),
        Index("ix_payments_status", "status", "created_at", "number"),
        Index("ix_payments_provider", "provider", "created_at", "number"),
        Index(
            "ix_payments_trouble",
            "created_at",
            "number",
            postgresql_where=text(TROUBLED),
        ),
        Index("ix_payments_request", "request_id", postgresql_using="hash"),
        Index("ix_payments_due", "next_check_at", postgresql_where=text("status = 'pending'")),
    )


class PaymentEvent(Table):
    """A provider's report, stored raw; unique, so that a repeat is noticed before it takes effect.

    `parked`: true but not applicable (unknown reference, wrong amount); an operator looks at it.
    `applied` with a reason: flagged, an operator should look at it. What leads to the payer goes
    after NOTICE_TTL_DAYS (services/inbox.py); that it came stays.
    """

    __tablename__ = "payment_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    provider: Mapped[str]
    event_key: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    reference: Mapped[str | None]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    notice: Mapped[dict[str, Any]]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    applied_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("provider", PROVIDERS), "provider"),
        CheckConstraint(one_of("state", EVENT_STATES), "state"),
        CheckConstraint("(state = 'parked') <= (reason IS NOT NULL)", "parked_says_why"),
        UniqueConstraint("provider", "event_key"),
        Index("ix_payment_events_payment", "payment_id"),
        Index(
            "ix_payment_events_whole",
            "received_at",
            postgresql_where=text("state <> 'parked' AND notice ? 'raw'"),
        ),
        Index(
            "ix_payment_events_unapplied",
            "state",
            "number",
            postgresql_where=text("state <> 'applied'"),
        ),
        Index(
            "ix_payment_events_flagged",
            "number",
            postgresql_where=text("state = 'applied' AND reason IS NOT NULL"),
        ),
    )
