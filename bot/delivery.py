"""Events of the backend become messages; every finished order reaches its chat.

An event is confirmed to the backend when it has been told, so none is lost. One that a killed bot
had begun may have been told already: the order's message is asked first, and if it cannot say, the
repetition is called one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from telegram import Bot
from telegram import InlineKeyboardMarkup as Keyboard
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot import screens, texts
from bot.journal import Journal
from bot.results import results_of_event, results_of_job, send_result
from livephoto_client import (
    AsyncClient,
    Event,
    Job,
    LivePhotoError,
    Refusal,
    Tariff,
    UnexpectedAnswer,
)

log = logging.getLogger("bot")

Screen = tuple[str, Keyboard | None]

# What became of an edit. UNCHANGED: the message said so before.
CHANGED, UNCHANGED, GONE = "changed", "unchanged", "gone"

EVENTS_AT_ONCE = 20
WAIT_SECONDS = 25
TROUBLE_PAUSE = 3.0
ATTEMPTS = 5  # for what is a fault rather than a passing trouble
WATCHED_AT_ONCE = 100  # orders whose progress is shown; the others are told when they are done
REMEMBERED = 1000  # orders that have just ended
EDIT_PAUSE = 3.0  # seconds between two edits of one message


class Delivery:
    """The loop that reads events and tells them, and what else shows how far an order is."""

    def __init__(self, bot: Bot, backend: AsyncClient, journal: Journal) -> None:
        self._bot = bot
        self._backend = backend
        self._journal = journal
        self._started = datetime.now(UTC)
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, Screen] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        after: int | None = None  # the backend knows what was confirmed last
        while True:
            try:
                events = await self._backend.events_list(
                    after=after, limit=EVENTS_AT_ONCE, wait=WAIT_SECONDS
                )
            except LivePhotoError as trouble:
                log.warning("No events: %s", trouble)
                after = None
                await asyncio.sleep(TROUBLE_PAUSE)
                continue
            if after is not None:
                self._journal.confirm(after + 1)  # only now will those up to it not come again
            people: dict[str, list[Event]] = defaultdict(list)
            for event in events:
                if event.user:
                    people[event.user.telegram_id].append(event)
            await asyncio.gather(*(self._in_order(each) for each in people.values()))
            if events:
                after = events[-1].sequence

    async def show(self, job: Job) -> None:
        """Show in the order's message how far it is, from now until it has ended."""
        await self._show(job, await self._tariffs(job))
        moving = job.status in ("queued", "processing")
        if moving and job.id not in self._watched and len(self._watched) < WATCHED_AT_ONCE:
            self._watched[job.id] = asyncio.create_task(self._watch(job))

    async def send_again(self, chat_id: int, job: Job) -> bool:
        """Send the results of an order once more; False if none is left."""
        results = await results_of_job(self._backend, job)
        for result in results:
            await send_result(self._bot, self._backend, chat_id, result)
        return bool(results)

    async def _in_order(self, events: list[Event]) -> None:
        """Events of one person, one after the other."""
        for event in events:
            if not self._journal.is_done(event.sequence):
                repeated = event.sequence in self._journal.interrupted or (
                    self._journal.is_new and event.created_at < self._started
                )
                self._journal.begin(event.sequence)
                await self._until_told(event, repeated=repeated)
                self._journal.finish(event.sequence)

    async def _until_told(self, event: Event, *, repeated: bool) -> None:
        """Tell an event, whatever passing trouble there is."""
        faults = 0
        while faults < ATTEMPTS:
            try:
                await self._tell(event, repeated=repeated)
                return
            except Forbidden:  # blocked: the result stays in /history
                log.info("Event %s: the person has blocked the bot", event.sequence)
                return
            except BadRequest as trouble:
                faults += 1
                log.error("Event %s, attempt %s: %s", event.sequence, faults, trouble)
            except (NetworkError, RetryAfter, LivePhotoError) as trouble:
                # Of what was lost on its way, nobody knows whether it arrived.
                repeated = repeated or isinstance(trouble, NetworkError)
                faults += _will_stay(trouble)
                log.warning("Event %s is not told yet: %s", event.sequence, trouble)
            except Exception:
                faults += 1
                log.exception("Event %s, attempt %s", event.sequence, faults)
            await asyncio.sleep(TROUBLE_PAUSE)

    async def _tell(self, event: Event, *, repeated: bool) -> None:
        match event.type:
            case "job.queued" | "job.started":
                await self._show_progress(event)
            case "job.done":
                await self._deliver(event, repeated=repeated)
            case "job.failed":
                await self._tell_failure(event, repeated=repeated)
            case _:
                await self._say(event, texts.told(event), repeated=repeated)
                if event.payment:
                    await self._mark(event, texts.payment(event.payment.status), None)

    async def _deliver(self, event: Event, *, repeated: bool) -> None:
        """Send all results, then mark the order's message as done."""
        assert event.job and event.user  # noqa: S101 - each event of an order has them
        screen = texts.done(event.job.order_id), screens.of_result(event.job.id)
        self._end(event.job.id, screen)
        if repeated:
            if await self._mark(event, *screen) == UNCHANGED:
                return
            await self._bot.send_message(int(event.user.telegram_id), texts.REPEATED)
        results = results_of_event(event)
        for result in results:
            await send_result(self._bot, self._backend, int(event.user.telegram_id), result)
        if event.job.photos > len(results):
            await self._say(event, event.text if results else texts.EXPIRED)
        with suppress(TelegramError):  # the result has arrived: it must not be sent again for this
            await self._mark(event, *screen)

    async def _tell_failure(self, event: Event, *, repeated: bool) -> None:
        """Mark the order's message; say it, unless the person has cancelled it himself."""
        assert event.job  # noqa: S101 - each event of an order has one
        error = event.job.error.message if event.job.error else ""
        reason = event.job.reason or "failed"
        screen = texts.failed(event.job.order_id, reason, error), None
        self._end(event.job.id, screen)
        marked = await self._mark(event, *screen)
        if reason != "cancelled" and not (repeated and marked == UNCHANGED):
            await self._say(event, texts.told(event), repeated=repeated)

    async def _show_progress(self, event: Event) -> None:
        assert event.job  # noqa: S101 - each event of an order has one
        job = await self._backend.jobs_get(event.job.id)
        if job.status in ("queued", "processing"):
            await self.show(job)

    async def _say(self, event: Event, text: str, *, repeated: bool = False) -> None:
        """A new message, which is seen and heard; edits are not."""
        assert event.user  # noqa: S101 - events without one are not told
        text = f"{texts.REPEATED}\n\n{text}" if repeated else text
        await self._bot.send_message(int(event.user.telegram_id), text)

    async def _mark(self, event: Event | Job, text: str, buttons: Keyboard | None) -> str:
        """Edit the message that something is about: CHANGED, UNCHANGED, or GONE."""
        chat, _, number = (event.client_ref or "").partition(":")
        if not number.isdigit():
            return GONE
        try:
            await self._bot.edit_message_text(
                text, chat_id=int(chat), message_id=int(number), reply_markup=buttons
            )
        except BadRequest as refusal:
            return UNCHANGED if "not modified" in str(refusal).lower() else GONE
        return CHANGED

    async def _tariffs(self, job: Job) -> Sequence[Tariff]:
        """Those that are enough for an order that waits for tokens."""
        if job.status != "waiting_payment":
            return ()
        offered = await self._backend.tariffs_list()
        return [t for t in offered if t.monthly_tokens >= (job.missing_tokens or 0)] or offered

    async def _watch(self, job: Job) -> None:
        """Edit the order's message whenever it has come further; its end is told by its event."""
        shown, job_id = screens.of_job(job)[0], job.id
        try:
            while job.status in ("queued", "processing"):
                job = await self._backend.jobs_get(job_id, wait=WAIT_SECONDS)
                text = screens.of_job(job)[0]
                if text != shown and job.status in ("queued", "processing"):
                    await self._show(job)
                    shown = text
                    await asyncio.sleep(EDIT_PAUSE)
        except (LivePhotoError, TelegramError) as trouble:
            log.info("Order %s is not watched any more: %s", job_id, trouble)
        finally:
            del self._watched[job_id]

    async def _show(self, job: Job, tariffs: Sequence[Tariff] = ()) -> None:
        """Edit the order's message; if it has ended meanwhile, its end has the last word."""
        await self._mark(job, *screens.of_job(job, tariffs))
        if end := self._ended.get(job.id):
            await self._mark(job, *end)

    def _end(self, job_id: str, screen: Screen) -> None:
        self._ended[job_id] = screen
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]


def _will_stay(trouble: Exception) -> bool:
    """Whether the backend will say the same next time."""
    if isinstance(trouble, (Refusal, UnexpectedAnswer)):
        return 400 <= trouble.status < 500 and trouble.status != 429
    return False
