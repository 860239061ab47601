"""Tag Subscriptions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from db import reading, transaction
from handlers.schemas import number
from providers import instances
from providers.telegram import Membership
from services import bonuses, users


def subscriptions_check_channel(body: dict[str, Any]) -> Any:
    user_id = UUID(body["userId"])
    with reading() as session:
        channel = bonuses.eligible_channel(
            session, user_id, body["telegramId"], body["channelUsername"]
        )
    # An answer that Telegram did not give is an error (503), never "not a member".
    membership = instances.telegram().get_chat_member(channel, int(body["telegramId"]))
    if membership is not Membership.MEMBER:
        with reading() as session:
            balance = users.get(session, user_id).balance_tokens
        return {"isMember": False, "bonusGranted": False, "balanceTokens": number(balance)}, 200
    with transaction() as session:
        grant = bonuses.grant_channel(session, user_id, channel)
    return {
        "isMember": True,
        "bonusGranted": grant.granted,
        "balanceTokens": number(grant.balance_tokens),
    }, 200
