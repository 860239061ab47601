"""Calls in threads: bounded in number, in waiting and in time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import settings
from errors import ApiError
from spec import CONTRACT
from spec.operations import operations_of
from web.app import _lanes
from web.lanes import QUEUE_PER_THREAD, CallExpired, Lane, NoLane

SOON = 5  # seconds; nothing here takes longer
spoken: contextvars.ContextVar[str] = contextvars.ContextVar("spoken", default="nothing")


def run_scene(
    scene: Callable[[Lane], Awaitable[Any]], *, threads: int = 2, deadline: float = 50
) -> Any:
    """What `scene` returns, run in an event loop with a lane of its own."""

    async def play() -> Any:
        lane = Lane("test", threads, deadline=deadline)
        try:
            return await asyncio.wait_for(scene(lane), SOON)
        finally:
            await asyncio.to_thread(lane.close, seconds=SOON)

    return asyncio.run(play())


def test_a_call_runs_in_a_thread_of_the_lane_and_its_result_comes_back() -> None:
    async def scene(lane: Lane) -> Any:
        return await lane.run(lambda n: (n * 2, threading.current_thread().name), 21)

    doubled, name = run_scene(scene)
    assert doubled == 42
    assert name.startswith("test-")


def test_a_call_sees_the_callers_context_and_changes_only_its_copy() -> None:
    def call(_: None) -> str:
        heard = spoken.get()
        spoken.set("something else")
        return heard

    async def scene(lane: Lane) -> Any:
        spoken.set("a secret")
        return await lane.run(call, None), spoken.get()

    assert run_scene(scene) == ("a secret", "a secret")


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_what_a_call_raises_is_raised_where_it_is_awaited(error: BaseException) -> None:
    def call(_: None) -> None:
        raise error

    async def scene(lane: Lane) -> Any:
        try:
            await lane.run(call, None)
        except BaseException as raised:
            return raised, await lane.run(str, "the thread lives on")

    assert run_scene(scene) == (error, "the thread lives on")


def test_a_stop_iteration_does_not_leave_its_caller_waiting() -> None:
    async def scene(lane: Lane) -> Any:
        await lane.run(next, iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        run_scene(scene)


def test_more_than_the_threads_and_their_queue_can_hold_is_refused_at_once() -> None:
    gate = threading.Event()
    places = 2 * (1 + QUEUE_PER_THREAD)

    async def scene(lane: Lane) -> Any:
        waiting = [asyncio.ensure_future(lane.run(gate.wait, SOON)) for _ in range(places)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(ApiError) as refused:
                await lane.run(str, "one too many")
        finally:
            gate.set()
        await asyncio.gather(*waiting)
        return refused.value, await lane.run(str, "there is room again")

    refusal, later = run_scene(scene)
    assert (refusal.status, refusal.headers["Retry-After"]) == (503, "1")
    assert later == "there is room again"


def test_each_call_has_the_whole_time_whoever_came_before_it() -> None:
    gate = threading.Event()

    async def hang(lane: Lane, *, after: float) -> float:
        await asyncio.sleep(after)
        started = time.monotonic()
        with pytest.raises(CallExpired):
            await lane.run(gate.wait, SOON)
        return time.monotonic() - started

    async def scene(lane: Lane) -> Any:
        await lane.run(str, "is done long before its time is over")
        try:
            return await asyncio.gather(*(hang(lane, after=each) for each in (0.1, 0.2, 0.45)))
        finally:
            gate.set()

    took = run_scene(scene, threads=3, deadline=0.3)
    assert all(0.29 < each < 1 for each in took), took


def test_a_hanging_call_is_answered_at_the_deadline_and_keeps_its_thread() -> None:
    gate = threading.Event()

    async def scene(lane: Lane) -> Any:
        with pytest.raises(ApiError) as late:
            await lane.run(gate.wait, SOON)
        free = lane._free
        gate.set()
        after = await lane.run(str, "back")
        return late.value.code, free, after, lane._free

    code, free, after, in_the_end = run_scene(scene, threads=1, deadline=0.2)
    assert code == "service_unavailable"
    assert (free, after, in_the_end) == (QUEUE_PER_THREAD, "back", 1 + QUEUE_PER_THREAD)


@pytest.mark.parametrize(
    ("call", "level"), [(str, "WARNING"), (int, "ERROR")], ids=["an effect", "a bug"]
)
def test_the_outcome_of_a_call_without_a_caller_is_logged(
    caplog: pytest.LogCaptureFixture, call: Callable[[str], Any], level: str
) -> None:
    gate = threading.Event()

    def late(text: str) -> Any:
        gate.wait(SOON)
        return call(text)

    async def scene(lane: Lane) -> Any:
        with pytest.raises(CallExpired):
            await lane.run(late, "not a number")
        gate.set()
        await lane.run(str, "the loop hears of both")

    run_scene(scene, threads=1, deadline=0.2)
    assert [record.levelname for record in caplog.records] == [level]


def test_a_stop_does_not_wait_longer_than_it_may() -> None:
    gate = threading.Event()

    async def scene(lane: Lane) -> Any:
        hanging = asyncio.ensure_future(lane.run(gate.wait, SOON))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await asyncio.to_thread(lane.close, seconds=0.2)
        waited = time.monotonic() - started
        gate.set()
        await hanging
        return waited

    assert run_scene(scene, threads=1) < 1


def test_a_caller_who_leaves_frees_no_place_while_the_thread_still_works() -> None:
    gate = threading.Event()

    async def scene(lane: Lane) -> Any:
        leaving = asyncio.ensure_future(lane.run(gate.wait, SOON))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.wait([leaving])
        free = lane._free
        gate.set()
        await lane.run(str, "next")
        return free, lane._free

    assert run_scene(scene, threads=1) == (QUEUE_PER_THREAD, 1 + QUEUE_PER_THREAD)


def test_a_closed_lane_lets_its_calls_end_and_takes_no_more() -> None:
    ended: list[str] = []

    async def scene(lane: Lane) -> Any:
        running = asyncio.ensure_future(lane.run(ended.append, "the last one"))
        await asyncio.sleep(0)
        await asyncio.to_thread(lane.close, seconds=SOON)
        await running
        with pytest.raises(ApiError):
            await lane.run(ended.append, "too late")
        return ended

    assert run_scene(scene) == ["the last one"]


def test_a_thousand_calls_of_many_threads_all_come_back() -> None:
    async def scene(lane: Lane) -> Any:
        answers: list[int] = []
        for start in range(0, 1000, 50):
            answers += await asyncio.gather(
                *(lane.run(lambda n: n + 1, n) for n in range(start, start + 50))
            )
        return answers

    assert run_scene(scene, threads=8) == list(range(1, 1001))


def test_a_call_that_nobody_waits_for_any_more_is_not_begun() -> None:
    begun: list[str] = []
    gate = threading.Event()

    def call(name: str) -> None:
        begun.append(name)
        gate.wait(SOON)

    async def scene(lane: Lane) -> Any:
        running = asyncio.create_task(lane.run(call, "running"))
        queued = [asyncio.create_task(lane.run(call, name)) for name in ("left", "expired")]
        await asyncio.sleep(0.05)
        queued[0].cancel()
        await asyncio.sleep(0.3)  # beyond the deadline of the others
        gate.set()
        outcomes = await asyncio.gather(running, *queued, return_exceptions=True)
        last = await lane.run(lambda name: name, "next")
        return [type(each).__name__ for each in outcomes], last

    assert run_scene(scene, threads=1, deadline=0.2) == (
        ["CallExpired", "CancelledError", "CallExpired"],
        "next",
    )
    assert begun == ["running"]


def test_webhooks_and_health_checks_wait_behind_nothing_else() -> None:
    lanes = _lanes(operations_of(CONTRACT), settings.load())
    together = {
        name: {other for other in lanes if lanes[other] is lanes[name]}
        for name in ("webhookPayments", "healthReady", "usersGetById", "dataUploadMultipart")
    }
    assert together["webhookPayments"] == {"webhookPayments"}
    assert together["healthReady"] == {"healthReady"}
    assert isinstance(lanes["healthLive"], NoLane)
    assert "jobsCreate" in together["usersGetById"]
    assert "paymentsCreateIntent" in together["dataUploadMultipart"]
