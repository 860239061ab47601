"""Requests that wait for news: on the event loop, without a thread and without a connection.

While any wait, one look every LOOK_SECONDS asks the database for all of them together. A look finds
what NOTIFY would have told, a quarter of a second later on average; but NOTIFY in a transaction
makes all commits queue up for one lock, and does not pass a pooler (ADR 18).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection

from errors import ApiError
from spec.waits import Awaited
from web.lanes import Lane

LOOK_SECONDS = 0.5
# How many calls of those who wait may be in the threads at once: the others queue up here, as they
# have time, instead of filling the places of those who have none.
AT_ONCE = 4

log = logging.getLogger(__name__)

Look = Callable[[Collection[Awaited]], set[Awaited]]


class Waiting:
    """What the requests of this process wait for.

    lane: where the looks are run. is_stopping: whether the server is; then nobody waits any longer.
    turn: held by the call of a patient request, while it is in a thread.
    """

    def __init__(self, look: Look, lane: Lane, is_stopping: Callable[[], bool]) -> None:
        self._look = look
        self._lane = lane
        self._is_stopping = is_stopping
        self.turn = asyncio.Semaphore(AT_ONCE)
        self._waiting: dict[Awaited, set[asyncio.Future[None]]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None

    async def until(self, awaited: Awaited, seconds: float) -> None:
        """Return when it has come, after `seconds`, or when the server is being stopped."""
        news = asyncio.get_running_loop().create_future()
        self._waiting[awaited].add(news)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await news
        finally:  # also when the caller has left
            self._waiting[awaited].discard(news)
            if not self._waiting[awaited]:
                del self._waiting[awaited]

    async def _look_on(self) -> None:
        """Look for as long as anybody waits."""
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            awaited = set(self._waiting)
            for each in awaited if self._is_stopping() else await self._come(awaited):
                for news in self._waiting.get(each, ()):
                    if not news.done():
                        news.set_result(None)

    async def _come(self, awaited: set[Awaited]) -> set[Awaited]:
        try:
            come: set[Awaited] = await self._lane.run(self._look, awaited)
            return come
        except ApiError as error:  # the database is down: they go on waiting
            log.warning("looking for news failed, requests go on waiting: %s", error)
        except Exception:
            log.exception("looking for news failed unexpectedly")
        return set()
