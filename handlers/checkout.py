"""Joins a payment of ours with the provider's page for it; for the intent and the reconciler."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import settings
from db import reading, transaction
from db.types import now
from providers import instances
from providers.payments import CheckoutRequest, PaymentRef, ProviderError, ProviderRejected
from services import payments, settlement

if TYPE_CHECKING:
    from db import Record


def ensure(payment_id: UUID) -> Record:
    """The payment with its page, asked of the provider unless it is known already.

    One whose time ended before it had a page comes back without. ProviderRejected closes the
    payment; after any other ProviderError it stays as it is, since the provider may have made the
    page all the same, and the next call asks with the same key.
    """
    with reading() as reader:
        payment = payments.get(reader, payment_id)
    title = payments.title(payment)
    if payment.payment_url is not None or _needs_no_page(payment):
        return payment
    try:
        gateway = instances.gateway(payment.provider)
        page = gateway.create_checkout(_checkout_request(payment, title))
    except ProviderError as error:
        with transaction() as session:
            # First what locks the user, as everywhere: a webhook may be at work on this payment.
            if isinstance(error, ProviderRejected):
                settlement.close(session, payment_id, "canceled")
            payments.note_trouble(session, payment_id, str(error))
        raise
    with transaction() as session:
        return payments.attach(
            session,
            payment_id,
            reference=page.reference,
            url=page.url,
            asked_minor=page.asked_minor,
            asked_currency=page.asked_currency,
            expires_at=page.expires_at,
        )


def _needs_no_page(payment: Record) -> bool:
    """Providers forget our key when a payment expires: another page would be a second one.

    And a second charge of a link was paid on the page of the first.
    """
    over = payment.status in ("canceled", "expired") or payment.expires_at <= now()
    return over or payment.repeats_id is not None


def reference_of(payment: Record) -> PaymentRef:
    """By what the provider finds a payment that has a page."""
    return PaymentRef(
        payment_id=payment.id,
        reference=payment.reference or "",
        charge_reference=payment.charge_reference,
        asked_minor=payment.asked_minor,
        asked_currency=payment.asked_currency,
        payer_telegram_id=payment.payer_telegram_id,
        created_at=payment.created_at,
    )


def _checkout_request(payment: Record, title: str) -> CheckoutRequest:
    current = settings.load()
    bot = current.telegram_bot_username
    return CheckoutRequest(
        payment_id=payment.id,
        amount=payment.amount_rub,
        currency=payments.CURRENCY,
        title=title,
        description=f"Пополнение баланса: {title}",
        return_url=f"https://t.me/{bot}" if bot else current.origin,
        payer_telegram_id=payment.payer_telegram_id,
    )
