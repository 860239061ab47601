"""Asks providers about payments that nobody has told us the end of; a duty of the worker.

What it learns goes the same way as a webhook, so it never matters which of the two is first.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from uuid import UUID

from db import reading, transaction
from db.types import now
from handlers import checkout
from providers import instances
from providers.payments import Outcome, ProviderError
from services import payments, settlement
from services.settlement import Verdict

log = logging.getLogger(__name__)

BATCH = 20  # payments asked about in one turn of the duty


def check_due() -> int:
    """Ask about payments whose time has come, one after another; returns how many."""
    for done in range(BATCH):
        with transaction() as session:
            payment_id = payments.claim_due(session, now=now())
        if payment_id is None:
            return done
        try:
            check(payment_id)
        except ProviderError as error:
            log.warning("payment will be checked again: %s", error)
            with transaction() as session:
                payments.note_trouble(session, payment_id, str(error))
    return BATCH


def check(payment_id: UUID) -> Verdict:
    """Ask the provider about one payment now and apply what it says. ProviderError."""
    payment = checkout.ensure(payment_id)
    if payment.payment_url is None:
        return Verdict("ignored", f"never reached {payment.provider}", payment_id)
    gateway = instances.gateway(payment.provider)
    reference = checkout.reference_of(payment)
    notice = gateway.read_back(reference)
    if notice.outcome is Outcome.PENDING and payment.expires_at <= now():
        notice = gateway.close(reference)
    if notice.outcome is Outcome.PENDING:
        return _still_pending(payment_id)
    with transaction() as session:
        return settlement.settle(session, notice)


def refund(payment_id: UUID, rub: Decimal | None, *, key: str) -> Verdict:
    """Return `rub` (all that is left without it) through the provider, then the tokens pro rata.

    ProviderError; ValueError for a payment that was never paid or has less left.
    """
    with reading() as session:
        payment = payments.get(session, payment_id)
    left = payment.amount_rub - payment.refunded_rub
    amount = left if rub is None else rub
    if payment.paid_at is None or not 0 < amount <= left:
        raise ValueError(f"{left if payment.paid_at else 0} rub can be returned")
    share = amount / payment.amount_rub
    notice = instances.gateway(payment.provider).refund(
        checkout.reference_of(payment), amount_minor=round(payment.asked_minor * share), key=key
    )
    if notice.outcome is Outcome.PENDING:
        return Verdict("ignored", "the provider is working on it", payment_id)
    with transaction() as session:
        return settlement.settle(session, notice)


def _still_pending(payment_id: UUID) -> Verdict:
    with reading() as session:
        payment = payments.get(session, payment_id)
    if payment.expires_at > now():
        return Verdict("ignored", "pending", payment_id)
    with transaction() as session:
        settlement.expire(session, payment_id)
    return Verdict("applied", "expired", payment_id)
