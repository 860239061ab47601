"""Payments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class PaymentRow(NamedTuple):
    """A payment: see db.models.Payment. title: of its tariff."""

    id: UUID
    number: int
    user_id: UUID
    client_ref: str | None
    provider: str
    status: str
    decline_code: str | None
    amount_rub: Decimal
    tokens: Decimal
    tariff_id: UUID | None
    plan: str | None
    asked_minor: int
    asked_currency: str
    payer_telegram_id: str
    receipt_email: str | None
    reference: str | None
    charge_reference: str | None
    payment_url: str | None
    refunded_rub: Decimal
    refunded_tokens: Decimal
    shortfall_tokens: Decimal
    repeats_id: UUID | None
    expires_at: datetime
    next_check_at: datetime | None
    asked_at: datetime | None
    request_id: str | None
    checks: int
    last_error: str | None
    paid_at: datetime | None
    created_at: datetime
    updated_at: datetime
    title: str | None


class LockedPayment(NamedTuple):
    """A payment whose row, and that of its user, is locked: what an event about it may change.

    owes_referral_reward: whether the first payment that stands earns a reward. known_*: of the
    event at hand, if it was stored before. user_erased: whether its user is nobody any more.
    """

    id: UUID
    user_id: UUID
    client_ref: str | None
    provider: str
    status: str
    decline_code: str | None
    amount_rub: Decimal
    tokens: Decimal
    plan: str | None
    asked_minor: int
    asked_currency: str
    payer_telegram_id: str
    reference: str | None
    charge_reference: str | None
    refunded_rub: Decimal
    refunded_tokens: Decimal
    shortfall_tokens: Decimal
    repeats_id: UUID | None
    paid_at: datetime | None
    owes_referral_reward: bool
    user_erased: bool
    known_state: str | None
    known_reason: str | None


class PaymentEventRow(NamedTuple):
    """A provider's report: see db.models.PaymentEvent."""

    id: UUID
    number: int
    provider: str
    event_key: str
    kind: str
    state: str
    reason: str | None
    payment_id: UUID | None
    notice: dict[str, Any]
    received_at: datetime
