"""Updates from Telegram, each confirmed only when it has been handled.

Application.run_polling confirms updates when it asks for the next ones: what its handlers have not
finished is lost if the bot is killed. Here Telegram keeps it, and gives it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from telegram import Bot, Update
from telegram.error import InvalidToken, TelegramError

from bot.journal import Journal

log = logging.getLogger("bot")

WANTED = (
    *("message", "edited_message", "channel_post", "edited_channel_post"),
    *("callback_query", "pre_checkout_query"),
)
WAIT_SECONDS = 25
AT_ONCE = 100  # Telegram's limit of one answer, and so of updates that are handled at a time
BUSY_PAUSE = 0.3
STOP_SECONDS = 5
TROUBLE_PAUSE = 3.0

Handle = Callable[[Update, bool], Awaitable[None]]


class Updates:
    """The loop that fetches updates and hands them to `handle`, many at a time.

    repeated, the second argument of `handle`: a bot that was killed had begun it.
    """

    def __init__(self, bot: Bot, journal: Journal, handle: Handle) -> None:
        self._bot = bot
        self._journal = journal
        self._handle = handle
        self._running: dict[int, asyncio.Task[None]] = {}
        self._next = 0

    async def run(self) -> None:
        """Until it is cancelled; what is not handled a moment later is Telegram's to give again."""
        try:
            while True:
                await self._once()
        finally:
            if self._running:
                await asyncio.wait(self._running.values(), timeout=STOP_SECONDS)
            for task in self._running.values():
                task.cancel()
            with suppress(TelegramError):
                await self._bot.get_updates(offset=min(self._running, default=self._next), limit=1)

    async def _once(self) -> None:
        if self._running:
            # Those that are being handled come back in every answer, so there is no waiting there.
            running = self._running.values()
            await asyncio.wait(running, timeout=BUSY_PAUSE, return_when=asyncio.FIRST_COMPLETED)
        oldest = min(self._running, default=self._next)
        try:
            updates = await self._bot.get_updates(
                offset=oldest,
                limit=AT_ONCE,
                timeout=0 if self._running else WAIT_SECONDS,
                read_timeout=WAIT_SECONDS + 10,
                allowed_updates=WANTED,
            )
        except InvalidToken:
            raise
        except TelegramError as trouble:
            log.warning("Updates cannot be read from Telegram: %s", trouble)
            await asyncio.sleep(TROUBLE_PAUSE)
            return
        self._journal.confirm(oldest)  # only now will those before it not come again
        for update in updates:
            self._start(update)

    def _start(self, update: Update) -> None:
        number = update.update_id
        self._next = max(self._next, number + 1)
        if number not in self._running and not self._journal.is_done(number):
            self._running[number] = asyncio.create_task(self._one(update))

    async def _one(self, update: Update) -> None:
        number = update.update_id
        repeated = self._journal.begin(number) > 0
        try:
            await self._handle(update, repeated)
        except Exception:  # a fault of ours must not come again for ever
            log.exception("Update %s failed unexpectedly", number)
        self._journal.finish(number)
        del self._running[number]
