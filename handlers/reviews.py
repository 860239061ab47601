"""Tag Reviews."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import transaction
from db.types import number
from errors import ApiError
from providers.telegram import MessageRef, parse_message_link
from services import reviews
from spec.functions import Reply
from workflows import review_proof


def reviews_check(body: dict[str, Any]) -> Reply:
    user_id = UUID(body["userId"])
    link = body.get("messageLink")
    message = review_proof.locate_and_learn_author(user_id, _parsed(link)) if link else None
    with transaction() as session:
        if message is not None:
            finding = reviews.check_message(session, user_id, *message)
        else:
            finding = reviews.check_own(session, user_id)
    return {
        "found": finding.found,
        "bonusGranted": finding.granted,
        "balanceTokens": number(finding.balance_tokens),
    }, 200


def _parsed(link: str) -> MessageRef:
    linked = parse_message_link(link)
    if linked is None:
        raise ApiError("bad_request", details={"messageLink": "is not a link to a message"})
    return linked
