"""Events of the backend become messages; every finished order reaches its chat.

An event is confirmed to the backend when it has been told, so none is lost. One that a killed bot
had begun may have been told already: the order's message is asked first, and if it cannot say, the
repetition is called one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime

from telegram import Bot
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot import texts
from bot.journal import Journal
from bot.people import UNCHANGED, edit
from bot.progress import Progress
from bot.results import send_results
from livephoto_client import AsyncClient, Event, Job, LivePhotoError, Refusal, UnexpectedAnswer

log = logging.getLogger("bot")

EVENTS_AT_ONCE = 20
WAIT_SECONDS = 25
TROUBLE_PAUSE = 3.0
ATTEMPTS = 5  # for what is a fault rather than a passing trouble


class Delivery:
    """The loop that reads events and tells each in its chat."""

    def __init__(
        self, bot: Bot, backend: AsyncClient, progress: Progress, journal: Journal
    ) -> None:
        self._bot = bot
        self._backend = backend
        self._progress = progress
        self._journal = journal
        self._started = datetime.now(UTC)

    async def run(self) -> None:
        """Until it is cancelled."""
        after: int | None = None  # the backend knows what was confirmed last
        while True:
            try:
                events = await self._backend.events_list(
                    after=after, limit=EVENTS_AT_ONCE, wait=WAIT_SECONDS
                )
            except LivePhotoError as trouble:
                log.warning("Events cannot be read from the backend: %s", trouble)
                after = None
                await asyncio.sleep(TROUBLE_PAUSE)
                continue
            if after is not None:
                self._journal.confirm(after + 1)  # only now will those up to it not come again
            people: dict[int, list[Event]] = defaultdict(list)
            for event in events:
                if event.user:
                    people[int(event.user.telegram_id)].append(event)
            await asyncio.gather(*(self._in_order(*each) for each in people.items()))
            if events:
                after = events[-1].sequence

    async def _in_order(self, chat_id: int, events: list[Event]) -> None:
        """Events of one person, one after the other."""
        for event in events:
            if self._journal.is_done(event.sequence):
                continue
            begun = self._journal.begin(event.sequence)
            if self._journal.is_new and event.created_at < self._started:
                begun = begun or 1
            # The message is asked once only: what it is asked for, it says from then on.
            if not (begun == 1 and await self._was_told(event)):
                await self._until_told(chat_id, event, repeated=begun > 0)
            self._journal.finish(event.sequence)

    async def _was_told(self, event: Event) -> bool:
        """Whether an order's message says already how it ended: then its end was told before."""
        if event.type not in ("job.done", "job.failed") or not event.job:
            return False
        try:
            job = await self._backend.jobs_get(event.job.id)
            return await self._progress.end(job) == UNCHANGED
        except (LivePhotoError, TelegramError) as trouble:
            log.warning("Event %s may be delivered twice: %s", event.sequence, trouble)
            return False

    async def _until_told(self, chat_id: int, event: Event, *, repeated: bool) -> None:
        """Tell an event, whatever passing trouble there is."""
        faults = 0
        while faults < ATTEMPTS:
            try:
                await self._tell(chat_id, event, repeated=repeated)
                return
            except Forbidden:  # blocked: the result stays in /history
                log.info("Event %s: the person has blocked the bot", event.sequence)
                return
            except Exception as trouble:
                passes = _passes(trouble)
                faults += not passes
                log.warning(
                    "Event %s is not delivered yet: %r",
                    event.sequence,
                    trouble,
                    exc_info=not passes,
                )
                # Of what was lost on its way, nobody knows whether it arrived.
                repeated = repeated or isinstance(trouble, NetworkError)
            await asyncio.sleep(TROUBLE_PAUSE)
        log.error("Event %s is given up: it is never delivered", event.sequence)

    async def _tell(self, chat_id: int, event: Event, *, repeated: bool) -> None:
        if event.type in ("job.queued", "job.started") and event.job:
            await self._progress.show(event.job.id)
        elif event.type in ("job.done", "job.failed") and event.job:
            job = await self._backend.jobs_get(event.job.id)
            await self._tell_end(chat_id, event, job, repeated=repeated)
        else:
            await self._say(chat_id, texts.news(event), repeated=repeated)
            if event.payment:
                paid = texts.payment(event.payment.status)
                await edit(self._bot, event.client_ref, paid, None)

    async def _tell_end(self, chat_id: int, event: Event, job: Job, *, repeated: bool) -> None:
        """Send all results, or say why there are none; then mark the order's message."""
        if job.status == "done":
            if repeated:
                await self._say(chat_id, texts.REPEATED)
            sent = await send_results(self._bot, self._backend, chat_id, job)
            if sent < len(job.output):
                await self._say(chat_id, event.text if sent else texts.EXPIRED)
        elif job.meta.reason != "cancelled":  # which the person has done, and sees
            await self._say(chat_id, texts.news(event), repeated=repeated)
        with suppress(TelegramError):  # it has been told: it must not be told again for this
            await self._progress.end(job)

    async def _say(self, chat_id: int, text: str, *, repeated: bool = False) -> None:
        """A new message, which is seen and heard; edits are not."""
        text = f"{texts.REPEATED}\n\n{text}" if repeated else text
        await self._bot.send_message(chat_id, text)


def _passes(trouble: Exception) -> bool:
    """Whether it is a trouble of the moment: of the network, of Telegram, or of the backend."""
    if isinstance(trouble, (Refusal, UnexpectedAnswer)):
        return trouble.status >= 500 or trouble.status == 429
    if isinstance(trouble, BadRequest):  # for python-telegram-bot, one of the network's
        return False
    return isinstance(trouble, (NetworkError, RetryAfter, LivePhotoError))
