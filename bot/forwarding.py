"""What the backend must see of Telegram: payments, and messages of the review chat.

An update that is being forwarded is not finished, so Telegram keeps it as long as the backend is
away, whatever happens to the bot meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import chain, repeat

from telegram import Update

from livephoto_client import AsyncClient, LivePhotoError, Refusal, UnexpectedAnswer

log = logging.getLogger("bot")

PAUSES = (1, 2, 4, 8, 15, 30, 60)  # seconds, then a minute for ever
REFUSALS = 10  # of one update: then it is a fault, and others wait behind it
# No fault of an update, however long it takes: what was paid must not be lost. 401 and 403 mean a
# key or secret that is being changed, which the operator mends.
AWAY = (401, 403, 429, 502, 503, 504)
LEARN_SECONDS = 600
QUESTION_SECONDS = 9  # Telegram waits ten for the answer to a pre-checkout


class Forwarding:
    """Posts the updates that concern the backend to its webhook."""

    def __init__(self, backend: AsyncClient, secret: str) -> None:
        self._backend = backend
        self._secret = secret
        self.review_chat = ""  # "@name" or an id; "" where reviews are not used

    def concerns(self, update: Update) -> bool:
        """Whether the backend must see it. Private conversations are none of its business."""
        if update.pre_checkout_query:
            return True
        message = update.effective_message
        if message is None or update.callback_query:
            return False
        if message.successful_payment or message.refunded_payment:
            return True
        names = {str(message.chat.id), f"@{message.chat.username}".lower()}
        return self.review_chat.lower() in names

    async def learn(self) -> None:
        """Learn where reviews are written, now and whenever that may have changed."""
        while True:
            try:
                reviews = (await self._backend.config_get()).reviews
                self.review_chat = reviews.chat if reviews else ""
            except LivePhotoError as trouble:
                log.warning("The backend does not say where reviews are written: %s", trouble)
                await asyncio.sleep(PAUSES[2])
                continue
            await asyncio.sleep(LEARN_SECONDS)

    async def forward(self, update: Update) -> None:
        """Return when the backend has it, or when repeating it is useless."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS if update.pre_checkout_query else None):
                await self._until_taken(update)
        except TimeoutError:
            log.error("The backend did not answer pre-checkout %s in time", update.update_id)

    async def _until_taken(self, update: Update) -> None:
        refusals = 0
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            try:
                await self._backend.webhook_payments(
                    "telegram",
                    body=update.to_dict(),
                    telegram_bot_api_secret_token=self._secret,
                )
                return
            except LivePhotoError as trouble:
                refusals += not _is_away(trouble)
                if _is_useless(trouble) or refusals >= REFUSALS:
                    log.error("Update %s is not forwarded: %s", update.update_id, trouble)
                    return
                log.warning("Update %s is not forwarded yet: %s", update.update_id, trouble)
            await asyncio.sleep(pause)


def _is_away(trouble: LivePhotoError) -> bool:
    """Whether the backend is away or busy for a while, or does not know the bot's key."""
    if isinstance(trouble, (Refusal, UnexpectedAnswer)):
        return trouble.status in AWAY
    return True


def _is_useless(trouble: LivePhotoError) -> bool:
    """Whether the same request will be refused again."""
    return isinstance(trouble, Refusal) and trouble.status < 500 and trouble.status not in AWAY
