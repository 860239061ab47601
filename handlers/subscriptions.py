"""Tag Subscriptions."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from db import reading, transaction
from db.types import number
from errors import ApiError
from providers import registry
from providers.telegram import Membership
from services import bonuses, users
from spec.functions import Reply

# User ids are positive and have at most 52 significant bits. One spelling only: "007" would be
# another user here, but the same person at Telegram.
USER_ID = re.compile(r"[1-9][0-9]{0,15}")


def subscriptions_check_channel(body: dict[str, Any]) -> Reply:
    user_id = UUID(body["userId"])
    with reading() as reader:
        channel = bonuses.eligible_channel(
            reader, user_id, body["telegramId"], body["channelUsername"]
        )
    telegram_id = _user_of_telegram(body["telegramId"])
    # No answer from Telegram is an error (503), never "not a member".
    membership = registry.telegram().get_chat_member(channel, telegram_id)
    if membership is not Membership.MEMBER:
        with reading() as reader:
            balance = users.get(reader, user_id).balance_tokens
        return {"isMember": False, "bonusGranted": False, "balanceTokens": number(balance)}, 200
    with transaction() as session:
        grant = bonuses.grant_channel(session, user_id, channel)
    return {
        "isMember": True,
        "bonusGranted": grant.granted,
        "balanceTokens": number(grant.balance_tokens),
    }, 200


def _user_of_telegram(telegram_id: str) -> int:
    """The number by which Telegram knows a person; ApiError `bad_request` for any other text."""
    if not USER_ID.fullmatch(telegram_id):
        raise ApiError("bad_request", details={"telegramId": "is not an id of a Telegram user"})
    return int(telegram_id)
