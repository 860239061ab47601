"""Tag Payments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import settings
from db import reading, transaction
from db.types import now
from errors import ApiError
from handlers import schemas
from providers import registry
from services import idempotency, payments
from services.idempotency import Answer
from spec.functions import Reply
from workflows import checkout, reconciler

OPERATION = "paymentsCreateIntent"


def payments_create_intent(body: dict[str, Any], idempotency_key: str | None) -> Reply:
    provider = body.get("provider") or settings.load().default_provider
    registry.gateway(provider)  # refuses one that is not connected
    with transaction() as session:
        opened = idempotency.open_or_resume(
            session,
            OPERATION,
            idempotency_key,
            body,
            lambda: (
                payments.open(
                    session,
                    UUID(body["userId"]),
                    amount_rub=Decimal(str(body["amountRub"])),
                    provider=provider,
                    plan=body.get("plan"),
                    client_ref=body.get("clientRef"),
                    now=now(),
                ).id
            ),
        )
    answer = opened if isinstance(opened, Answer) else _with_page(opened, idempotency_key)
    return answer.body, answer.status, answer.headers


def payments_get(payment_id: str) -> Reply:
    with reading() as reader:
        payment = payments.get(reader, UUID(payment_id))
    return schemas.dump(schemas.Payment, payment), 200


def payments_check(payment_id: str) -> Reply:
    reconciler.check_for_customer(UUID(payment_id))
    return payments_get(payment_id)


def _with_page(payment_id: UUID, idempotency_key: str | None) -> Answer:
    try:
        payment = checkout.ensure(payment_id)
        if payment.payment_url is None:
            raise ApiError("provider_rejected", "This payment is closed; make a new one")
        answer = Answer(schemas.dump(schemas.PaymentIntent, payment), 201)
    except ApiError as refusal:
        if refusal.code != "provider_rejected":
            raise
        answer = Answer(refusal.as_dict(), refusal.status)
    with transaction() as session:
        return idempotency.complete(session, OPERATION, idempotency_key, answer)
