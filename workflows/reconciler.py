"""Asks providers about payments when no webhook comes, and for refunds the operator wants.

What it learns is processed like a webhook, so it does not matter which of the two comes first.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from db import reading, transaction
from db.rows import PaymentRow
from db.types import now
from errors import ApiError
from providers import registry
from providers.payments import Outcome, ProviderError, ProviderRejected
from providers.payments.ask_limit import AskLimit
from services import payments, settlement
from services.inbox import Verdict
from workflows import checkout

log = logging.getLogger(__name__)

BATCH = 20  # payments asked about in one turn of the duty
BANK_TIME = timedelta(days=30)  # more than any method of payment takes
TURN_SECONDS = 10  # none is begun after that: a slow provider must not hold up jobs
# Questions by customers, for each provider and process: when webhooks are lost, all of them press
# the button, and providers allow a shop some ten requests a second.
ASKED_PER_MINUTE = 300

_asked = AskLimit(ASKED_PER_MINUTE)


def check_due() -> int:
    """Ask about payments that are due, one after another; returns how many.

    A provider that is down is asked once per turn: this worker's jobs wait meanwhile.
    """
    down: set[str] = set()
    end = time.monotonic() + TURN_SECONDS
    for done in range(BATCH):
        if done and time.monotonic() > end:
            return done
        with transaction() as session:
            claimed = payments.claim_due(session, now=now(), without=down)
        if claimed is None:
            return done
        payment_id, provider = claimed
        try:
            check(payment_id)
        except ApiError as error:
            if not _is_trouble(error):
                raise
            if not isinstance(error, ProviderRejected):
                down.add(provider)
            _note(error, payment_id)
    return BATCH


def check_for_customer(payment_id: UUID) -> None:
    """Ask the provider about a payment whose customer says that it was paid, at most once in
    payments.ASK_PAUSE; what it says is applied.

    ProviderError; ApiError `payment_not_found`, `provider_not_configured`, `rate_limited` when this
    process has asked its provider ASKED_PER_MINUTE times.
    """
    with transaction() as session:
        payment = payments.get(session, payment_id)
        if not payments.claim_check(session, payment_id, now=now()):
            return
    _asked.take(payment.provider)
    try:
        check(payment_id)
    except ApiError as error:
        if _is_trouble(error):
            _note(error, payment_id)
        raise


def check(payment_id: UUID) -> Verdict:
    """Ask the provider about one payment now and apply what it says.

    ProviderError; ApiError `provider_not_configured`.
    """
    payment = checkout.ensure(payment_id)
    if payment.reference is None and payment.charge_reference is None:
        return _expire_if_overdue(
            payment, f"{payment.provider} has not received it", payment.expires_at
        )
    gateway = registry.gateway(payment.provider)
    reference = checkout.reference_of(payment)
    try:
        notice = gateway.read_back(reference)
        if notice.outcome is Outcome.PENDING and payment.expires_at <= now():
            notice = gateway.close(reference)
    except ProviderRejected as refusal:
        if payment.expires_at > now():
            raise
        return _expire_if_overdue(payment, str(refusal), payment.expires_at)
    if notice.outcome is Outcome.PENDING:
        if notice.decline is not None:  # the page is still open for another try
            with transaction() as session:
                settlement.settle(session, notice)
        # It could not be closed: a bank is still processing it, or it will expire by itself soon.
        return _expire_if_overdue(payment, "pending", payment.expires_at + BANK_TIME)
    with transaction() as session:
        return settlement.settle(session, notice)


def close(payment_id: UUID) -> None:
    """Stop an unpaid payment at its provider, as far as that lets us, and apply what it says.

    ProviderError when it does not answer; one that knows of no such payment, or is not connected
    any more, cannot be stopped.
    """
    with reading() as reader:
        payment = payments.get(reader, payment_id)
    if payment.reference is None and payment.charge_reference is None:
        return
    reference = checkout.reference_of(payment)
    try:
        gateway = registry.gateway(payment.provider)
        notice = gateway.read_back(reference)
        if notice.outcome is Outcome.PENDING:
            notice = gateway.close(reference)
    except ProviderRejected:
        return
    except ApiError as error:
        if error.code == "provider_not_configured":
            return
        raise
    if notice.outcome is not Outcome.PENDING:
        with transaction() as session:
            settlement.settle(session, notice)


def refund(payment_id: UUID, rub: Decimal | None, *, key: str) -> Verdict:
    """Return `rub` (None: all that is left) through the provider, then the tokens pro rata.

    A repeat with the same key reports on the first refund, however long ago that was made.
    ProviderError; ValueError for a payment that was never paid or has less left.
    """
    with reading() as reader:
        payment = payments.get(reader, payment_id)
    if payment.paid_at is None:
        raise ValueError(f"the payment is {payment.status}, nothing has been paid")
    gateway, reference = registry.gateway(payment.provider), checkout.reference_of(payment)
    provider_key = str(uuid5(payment_id, key))  # providers know one scope of keys for all payments
    wanted = None if rub is None else _minor(payment, rub)
    notice = gateway.find_refund(reference, amount_minor=wanted, key=provider_key)
    if notice is None:
        left = payment.amount_rub - payment.refunded_rub
        amount = left if rub is None else rub
        if not 0 < amount <= left:
            raise ValueError(f"{left} of {payment.amount_rub} rub are left to return")
        notice = gateway.refund(reference, amount_minor=_minor(payment, amount), key=provider_key)
    if notice.outcome is Outcome.PENDING:
        return Verdict("ignored", "the provider is working on it", payment_id)
    with transaction() as session:
        return settlement.settle(session, notice)


def _is_trouble(error: ApiError) -> bool:
    """Whether the provider, or its settings, is why a payment could not be checked."""
    return isinstance(error, ProviderError) or error.code == "provider_not_configured"


def _note(error: ApiError, payment_id: UUID) -> None:
    facts = {"payment_id": str(payment_id)}
    log.warning("payment check failed, will be repeated: %s", error, extra=facts)
    with transaction() as session:
        payments.note_trouble(session, payment_id, str(error))


def _minor(payment: PaymentRow, rub: Decimal) -> int:
    """The share of what the provider collected that corresponds to these rubles."""
    return round(payment.asked_minor * rub / payment.amount_rub)


def _expire_if_overdue(payment: PaymentRow, why: str, until: datetime) -> Verdict:
    """The payment keeps waiting; from `until` on it is expired."""
    if payment.status != "pending" or until > now():
        return Verdict("ignored", why, payment.id)
    with transaction() as session:
        settlement.close(session, payment.id, "expired")
    return Verdict("applied", "expired", payment.id)
