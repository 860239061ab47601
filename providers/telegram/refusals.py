"""What an error answer of the Bot API means for us, in one table.

Texts are not a stable API, so the HTTP status decides first, lower-cased parts of the text second.
"""

from __future__ import annotations

import math
from enum import StrEnum

from errors import ApiError
from providers.failures import ProviderError, ProviderUnavailable

# Sent to callers when Telegram itself names no time to wait, seconds.
DEFAULT_RETRY_AFTER = 5
CONFIGURATION_RETRY_AFTER = 60


class Meaning(StrEnum):
    """Why Telegram refused."""

    ABSENT = "absent"  # no such user there: an answer, not a failure
    WRONG_CHAT = "wrong_chat"  # no chat with this name or id
    NO_MESSAGE = "no_message"  # deleted, never there, or protected from forwarding
    TOO_LATE = "too_late"  # pre-checkout already answered or expired
    REPEATED = "repeated"  # the charge has been refunded before
    MIGRATED = "migrated"  # the group became a supergroup with another id
    CONFIGURATION = "configuration"  # token, webhook or permissions: the operator must fix it
    TEMPORARY = "temporary"  # try later
    REJECTED = "rejected"  # our request is at fault


# status, part of the description in lower case, meaning; the first matching line decides.
MEANINGS: tuple[tuple[int, str, Meaning], ...] = (
    (400, "member list is inaccessible", Meaning.CONFIGURATION),
    (400, "chat_admin_required", Meaning.CONFIGURATION),
    (400, "not enough rights", Meaning.CONFIGURATION),
    (400, "need administrator rights", Meaning.CONFIGURATION),
    (400, "user not found", Meaning.ABSENT),
    (400, "member not found", Meaning.ABSENT),
    (400, "participant_id_invalid", Meaning.ABSENT),
    (400, "user_id_invalid", Meaning.ABSENT),
    (400, "invalid user_id specified", Meaning.ABSENT),
    (400, "chat not found", Meaning.WRONG_CHAT),
    (400, "chat_id is empty", Meaning.WRONG_CHAT),
    (400, "upgraded to a supergroup", Meaning.MIGRATED),
    (400, "message to forward not found", Meaning.NO_MESSAGE),
    (400, "message to delete not found", Meaning.NO_MESSAGE),
    (400, "message_id_invalid", Meaning.NO_MESSAGE),
    (400, "message can't be forwarded", Meaning.NO_MESSAGE),
    (400, "chat_forwards_restricted", Meaning.NO_MESSAGE),
    (400, "query is too old", Meaning.TOO_LATE),
    (400, "query id is invalid", Meaning.TOO_LATE),
    (400, "charge_already_refunded", Meaning.REPEATED),
    (400, "payment_provider_invalid", Meaning.CONFIGURATION),
    (400, "", Meaning.REJECTED),
    (401, "", Meaning.CONFIGURATION),  # token revoked
    (403, "", Meaning.CONFIGURATION),  # the bot is not a member, or was kicked
    (404, "", Meaning.CONFIGURATION),  # token malformed, or TELEGRAM_API_URL is wrong
    (409, "", Meaning.CONFIGURATION),  # two consumers of updates
    (413, "", Meaning.REJECTED),
    (429, "", Meaning.TEMPORARY),
)


class TelegramError(ApiError):
    """An error answer, or no answer, of the Bot API.

    As an ApiError it is channel_not_eligible (409) for a wrong chat and telegram_unavailable
    (503, with Retry-After) for everything else: what Telegram did not answer is never a "no".
    `description` is Telegram's text, for logs and operators, not for customers.
    """

    def __init__(
        self,
        method: str,
        meaning: Meaning,
        description: str,
        *,
        retry_after: int | None = None,
        migrate_to: int | None = None,
    ) -> None:
        if meaning is Meaning.WRONG_CHAT:
            super().__init__("channel_not_eligible", "Telegram knows no such channel or chat")
        else:
            patience = (
                CONFIGURATION_RETRY_AFTER
                if meaning is Meaning.CONFIGURATION
                else DEFAULT_RETRY_AFTER
            )
            super().__init__("telegram_unavailable", retry_after=retry_after or patience)
        self.method = method
        self.meaning = meaning
        self.description = description[:300]
        self.retry_after = retry_after
        self.migrate_to = migrate_to


def refusal(method: str, failure: ProviderError) -> TelegramError:
    """The error for a failed call; `failure.reason` is the id a group migrated to."""
    moved_to = failure.reason.removeprefix("-")
    pause = failure.pause_seconds if isinstance(failure, ProviderUnavailable) else None
    return TelegramError(
        method,
        _meaning(failure.http_status, failure.description.lower()),
        failure.description,
        retry_after=math.ceil(pause) if pause else None,
        migrate_to=int(failure.reason) if moved_to.isdecimal() else None,
    )


def _meaning(status: int | None, text: str) -> Meaning:
    for known, part, meaning in MEANINGS:
        if status == known and part in text:
            return meaning
    return Meaning.TEMPORARY
