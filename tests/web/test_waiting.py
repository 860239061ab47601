"""Requests that wait take no thread, leave nothing behind, and end when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest

from errors import ApiError
from spec.waits import Awaited, EventsAfter
from web import waiting
from web.lanes import Lane
from web.waiting import Waiting

FAR, NEAR = EventsAfter(100), EventsAfter(1)


class World:
    """A watch whose looks find what is in `news`."""

    def __init__(self) -> None:
        self.news: set[Awaited] = set()
        self.looks: list[set[Awaited]] = []
        self.trouble: Exception | None = None
        self.stopping = False
        self.lane = Lane("test", 1)
        self.waiting = Waiting(self._look, self.lane, lambda: self.stopping)

    def _look(self, awaited: Collection[Awaited]) -> set[Awaited]:
        self.looks.append(set(awaited))
        if self.trouble is not None:
            raise self.trouble
        return self.news & set(awaited)

    @property
    def left(self) -> int:
        return len(self.waiting._waiting)  # what must not grow

    async def looked(self, times: int = 1) -> None:
        """Wait for as many more looks."""
        enough = len(self.looks) + times
        while len(self.looks) < enough:
            await asyncio.sleep(0.005)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    return World()


def run(story: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await story()

    return asyncio.run(bounded())


def test_one_look_serves_all_and_ends_only_those_it_has_news_for(world: World) -> None:
    async def story() -> None:
        near = [asyncio.create_task(world.waiting.until(NEAR, 60)) for _ in range(1000)]
        far = asyncio.create_task(world.waiting.until(FAR, 60))
        await world.looked()
        assert world.looks[-1] == {NEAR, FAR}
        world.news = {NEAR}
        await asyncio.gather(*near)
        assert not far.done() and world.left == 1
        world.news = {FAR}
        await far

    run(story)
    assert world.left == 0


def test_it_ends_after_its_time_and_nobody_looks_any_more(world: World) -> None:
    async def story() -> None:
        await world.waiting.until(NEAR, 0.05)
        assert world.left == 0
        assert world.waiting._looking is not None
        await world.waiting._looking
        # A later caller is looked for again.
        later = asyncio.create_task(world.waiting.until(NEAR, 60))
        world.news = {NEAR}
        await later

    run(story)


def test_a_caller_who_leaves_leaves_nothing_behind(world: World) -> None:
    async def story() -> None:
        callers = [asyncio.create_task(world.waiting.until(EventsAfter(n), 60)) for n in range(50)]
        stays = asyncio.create_task(world.waiting.until(NEAR, 60))
        await world.looked()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert world.left == 1
        await world.looked(2)
        assert world.looks[-1] == {NEAR}
        world.news = {NEAR}
        await stays

    run(story)


@pytest.mark.parametrize("trouble", [ApiError("service_unavailable"), ZeroDivisionError()])
def test_a_look_that_fails_ends_no_wait(world: World, trouble: Exception) -> None:
    async def story() -> None:
        world.trouble = trouble
        waits = asyncio.create_task(world.waiting.until(NEAR, 60))
        await world.looked(2)
        world.trouble, world.news = None, {NEAR}
        await waits

    run(story)


def test_a_server_that_stops_keeps_nobody_waiting(world: World) -> None:
    async def story() -> None:
        waits = [asyncio.create_task(world.waiting.until(each, 60)) for each in (NEAR, FAR)]
        await world.looked()
        world.stopping = True
        await asyncio.gather(*waits)

    run(story)
