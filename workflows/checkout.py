"""Links a payment to the provider's page for it, for the intent and the reconciler."""

from __future__ import annotations

from uuid import UUID

from db import reading, transaction
from db.rows import PaymentRow
from db.types import now
from providers import registry
from providers.payments import CheckoutRequest, PaymentRef, ProviderError, ProviderRejected
from services import payments, settlement


def ensure(payment_id: UUID) -> PaymentRow:
    """The payment with its page, requested from the provider unless already known.

    A payment that expired before it had a page is returned without one. ProviderRejected closes
    the payment; after any other ProviderError it stays as it is, since the provider may have
    created the page anyway, and the next call asks with the same key.
    """
    with reading() as reader:
        payment = payments.get(reader, payment_id)
    title = payments.title(payment)
    if payment.payment_url is not None or _needs_no_page(payment):
        return payment
    try:
        gateway = registry.gateway(payment.provider)
        page = gateway.create_checkout(_checkout_request(payment, title))
    except ProviderError as error:
        with transaction() as session:
            # The user is always locked first: a webhook may be processing this payment.
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


def _needs_no_page(payment: PaymentRow) -> bool:
    """Providers forget our key when a payment expires: asking again would create a second page.

    And a second charge of a link was paid on the first one's page.
    """
    over = payment.status in ("canceled", "expired") or payment.expires_at <= now()
    return over or payment.repeats_id is not None


def reference_of(payment: PaymentRow) -> PaymentRef:
    """The ids by which the provider finds a payment that has a page."""
    return PaymentRef(
        payment_id=payment.id,
        reference=payment.reference or "",
        charge_reference=payment.charge_reference,
        asked_minor=payment.asked_minor,
        asked_currency=payment.asked_currency,
        payer_telegram_id=payment.payer_telegram_id,
        created_at=payment.created_at,
        receipt_email=payment.receipt_email,
    )


def _checkout_request(payment: PaymentRow, title: str) -> CheckoutRequest:
    return CheckoutRequest(
        payment_id=payment.id,
        user_id=payment.user_id,
        amount=payment.amount_rub,
        tokens=payment.tokens,
        currency=payments.CURRENCY,
        title=title,
        description=f"Пополнение баланса: {title}",
        return_url=payments.service(),
        tariff_id=payment.tariff_id,
        plan=payment.plan,
        receipt_email=payment.receipt_email,
        payer_telegram_id=payment.payer_telegram_id,
    )
