"""Payments in our tables only, and what a provider would tell of them."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from db import transaction
from db.types import now
from services import inbox, payments
from tests.factories import make_user

_charges = count(1)


def buyer_with_payment(provider: str = "stripe") -> tuple[UUID, Any]:
    """A user and their payment, open in our tables but unknown to the provider."""
    user = make_user()
    asked, currency = (167, "XTR") if provider == "telegram" else (20000, "RUB")
    with transaction() as session:
        payment: Any = payments.open(
            session, user.id, amount_rub=Decimal(200), provider=provider, plan=None, now=now()
        )
        payment = payments.attach(
            session,
            payment.id,
            reference=str(payment.id) if provider == "telegram" else f"cs_test_{payment.id.hex}",
            url="https://pay.example/1",
            asked_minor=asked,
            asked_currency=currency,
            expires_at=None,
        )
    return user.id, payment


def session_event(
    payment: Any, kind: str = "completed", *, made_at: float | None = None, **changes: Any
) -> dict[str, Any]:
    """A new event of Stripe about a session."""
    ends = {"expired": ("expired", "unpaid")}
    status, payment_status = ends.get(kind, ("complete", "paid"))
    session = {
        "id": payment.reference,
        "object": "checkout.session",
        "status": status,
        "payment_status": payment_status,
        "amount_total": payment.asked_minor,
        "currency": "rub",
        "client_reference_id": str(payment.id),
        "metadata": {"payment_id": str(payment.id)},
        "payment_intent": f"pi_{payment.id.hex}",
        "livemode": False,
    }
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": f"checkout.session.{kind}",
        "created": int(made_at or time.time()),
        "livemode": False,
        "data": {"object": session | changes},
    }


def paid_update(payment: Any, **changes: Any) -> bytes:
    """Telegram's update about a payment."""
    payer = {"id": int(payment.payer_telegram_id), "is_bot": False, "first_name": "A"}
    details = {
        "currency": payment.asked_currency,
        "total_amount": payment.asked_minor,
        "invoice_payload": str(payment.id),
        "telegram_payment_charge_id": f"stx_{next(_charges)}_{payment.id.hex}",
        "provider_payment_charge_id": "1",
    }
    message = {
        "message_id": next(_charges),
        "date": int(time.time()),
        "chat": {"id": payer["id"], "type": "private"},
        "from": payer,
        "successful_payment": details | changes,
    }
    return json.dumps({"update_id": next(_charges), "message": message}).encode()


def notification(identifier: str, event: str = "payment.succeeded", **fields: Any) -> bytes:
    """A notification that claims to be from YooKassa."""
    body = {"type": "notification", "event": event, "object": {"id": identifier} | fields}
    return json.dumps(body).encode()


def newest_parked() -> tuple[str | None, UUID | None]:
    """Why the newest parked event could not be applied, and to which payment."""
    with transaction() as session:
        (event,) = inbox.listed(session, state="parked", limit=1).rows
    return event.reason, event.payment_id
