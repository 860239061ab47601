"""How far orders are, in the messages that they are about; nothing else edits these."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakValueDictionary

from telegram import Bot
from telegram.error import TelegramError

from bot import screens
from bot.people import edit
from livephoto_client import AsyncClient, Job, LivePhotoError

log = logging.getLogger("bot")

MOVING = ("queued", "processing")
WAIT_SECONDS = 25
EDIT_PAUSE = 3.0  # seconds between two edits of one message
WATCHED_AT_ONCE = 100  # orders; the others are told when they are done


class Progress:
    """The messages of orders. Each is edited by one at a time, who looks at its order first: so
    nothing old is shown last.
    """

    def __init__(self, bot: Bot, backend: AsyncClient) -> None:
        self._bot = bot
        self._backend = backend
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def show(self, job_id: str) -> None:
        """Show how far an order is, from now until it ends; then end() has the last word."""
        job = await self._show(job_id)
        watched = job_id in self._watched or len(self._watched) >= WATCHED_AT_ONCE
        if job.status in MOVING and not watched:
            self._watched[job_id] = asyncio.create_task(self._watch(job_id))

    async def end(self, job: Job) -> str:
        """Show what became of an order that has ended."""
        async with self._turn(job.id):
            return await edit(self._bot, job.client_ref, *screens.of_job(job))

    async def _show(self, job_id: str) -> Job:
        async with self._turn(job_id):
            job = await self._backend.jobs_get(job_id)
            waits = job.status == "waiting_payment"
            if waits or job.status in MOVING:
                tariffs = await self._backend.tariffs_list() if waits else ()
                await edit(self._bot, job.client_ref, *screens.of_job(job, tariffs))
        return job

    async def _watch(self, job_id: str) -> None:
        try:
            while (await self._backend.jobs_get(job_id, wait=WAIT_SECONDS)).status in MOVING:
                await self._show(job_id)
                await asyncio.sleep(EDIT_PAUSE)
        except (LivePhotoError, TelegramError) as trouble:
            log.info("Order %s is not watched any more: %s", job_id, trouble)
        finally:
            del self._watched[job_id]

    def _turn(self, job_id: str) -> asyncio.Lock:
        return self._turns.setdefault(job_id, asyncio.Lock())
