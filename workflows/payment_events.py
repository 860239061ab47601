"""What payment providers post: proved, confirmed by the provider where need be, applied once.

Telegram updates that the bot forwards come here too; those of the review chat are stored
(docs/telegram.md).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from db import reading, transaction
from db.types import now
from providers import registry
from providers.payments import AnsweringGateway, Hint, Notice, Question
from providers.payments.ask_limit import AskLimit
from providers.telegram import GroupMessage, parse_update
from services import inbox, locked_payments, payments, reviews, settlement
from services.inbox import Verdict
from telemetry import logs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

LOST_PER_MINUTE = 30  # unsigned hints about no payment of ours, in each process

_lost = AskLimit(LOST_PER_MINUTE)


def receive(
    provider: str, raw_body: bytes, headers: Mapping[str, str], *, client_ip: str | None
) -> None:
    """Apply what `provider` reports; a repeat changes nothing.

    ApiError `signature_invalid`, `rate_limited`, `provider_not_configured`, and those of the
    provider, which then posts it again later.
    """
    gateway = registry.gateway(provider)
    event = gateway.parse_event(raw_body, headers, client_ip=client_ip, now=now())
    if isinstance(event, Question) and isinstance(gateway, AnsweringGateway):
        gateway.answer(event, _refusal(event))
    elif isinstance(event, Hint):
        event = gateway.confirm(event) if _is_to_be_confirmed(event) else None
    if isinstance(event, Notice):
        apply(event)
    elif event is None and provider == "telegram":
        _keep_review(raw_body)


def apply(notice: Notice) -> None:
    """Settle what a provider has proved, and say in the log what came of it."""
    with transaction() as session:
        verdict = settlement.settle(session, notice)
    report = {
        "provider": notice.provider,
        "event": notice.event_id,
        "kind": notice.kind,
        "payment_id": verdict.payment_id and str(verdict.payment_id),
        "reason": verdict.reason,
    }
    logs.note(verdict=verdict.state, **report)
    if verdict.is_for_the_operator:
        facts = {"state": verdict.state, **report}
        log.warning("payment event needs the operator", extra=facts)


def replay(session: Session, event_id: UUID) -> Verdict:
    """Apply a stored event again; one that was applied or ignored changes nothing.

    ValueError when there is no such event.
    """
    event = inbox.find(session, event_id)
    if event.state != "parked":
        return Verdict(event.state, event.reason, event.payment_id)
    return settlement.settle(session, Notice.from_json(event.notice))


def _is_to_be_confirmed(hint: Hint) -> bool:
    """Whether the provider is to be asked: a hint that nobody signed may come from anybody.

    One that names a payment as we do may be about a payment whose row was lost in a restore. Those
    are LOST_PER_MINUTE at most; ApiError `rate_limited` beyond: the provider repeats them.
    """
    if hint.signed or _is_ours(hint):
        return True
    if hint.payment_id is None:
        return False
    _lost.take(hint.provider)
    return True


def _is_ours(hint: Hint) -> bool:
    with reading() as reader:
        return locked_payments.is_ours(
            reader, hint.provider, payment_id=hint.payment_id, reference=hint.reference
        )


def _refusal(question: Question) -> str | None:
    with reading() as reader:
        return payments.why_not_payable(
            reader,
            question.payment_id,
            amount_minor=question.amount_minor,
            currency=question.currency,
            payer_id=question.payer_id,
        )


def _keep_review(raw_body: bytes) -> None:
    """Store an update in which parse_event found no payment, if it is from the review chat."""
    update = parse_update(orjson.loads(raw_body))
    if not isinstance(update, GroupMessage):
        return
    if reviews.is_review_chat(update.chat_id, update.chat_username):
        with transaction() as session:
            reviews.ingest(
                session,
                chat_id=update.chat_id,
                message_id=update.message_id,
                author_id=update.author_id,
                text_sha256=update.text_hash,
                prose_length=update.prose_length,
                posted_at=update.date,
            )
