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
from web.lanes import QUEUE_PER_THREAD, CallExpired, Lane, NoLane, stop

SOON = 20  # seconds; nothing here takes longer, on any machine
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
            assert await asyncio.to_thread(stop, [lane], seconds=SOON) == 0

    return asyncio.run(play())


async def room(lane: Lane) -> int:
    """How many more calls the lane takes, all of which it runs."""
    gate = threading.Event()
    taken: list[asyncio.Task[Any]] = []
    while True:
        call = asyncio.ensure_future(lane.run(gate.wait, SOON))
        await asyncio.sleep(0)
        if call.done():
            assert isinstance(call.exception(), ApiError)
            break
        taken.append(call)
    gate.set()
    await asyncio.gather(*taken)
    return len(taken)


def test_a_call_runs_in_a_thread_of_the_lane_and_its_result_comes_back() -> None:
    async def scene(lane: Lane) -> Any:
        return await lane.run(lambda n: (n * 2, threading.current_thread().name), 21)

    doubled, name = run_scene(scene)
    assert doubled == 42
    assert name.startswith("test_")


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
    most_calls = 2 * (1 + QUEUE_PER_THREAD)

    async def scene(lane: Lane) -> Any:
        waiting = [asyncio.ensure_future(lane.run(gate.wait, SOON)) for _ in range(most_calls)]
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
    assert all(0.29 < each < SOON for each in took), took


def test_a_hanging_call_is_answered_at_the_deadline_and_keeps_its_thread() -> None:
    gate = threading.Event()

    async def scene(lane: Lane) -> Any:
        with pytest.raises(CallExpired) as late:
            await lane.run(gate.wait, SOON)
        waiting = [asyncio.ensure_future(lane.run(str, n)) for n in range(QUEUE_PER_THREAD)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError):
            await lane.run(str, "there is no room for one more")
        gate.set()
        await asyncio.gather(*waiting)
        return late.value.code, await room(lane)

    code, in_the_end = run_scene(scene, threads=1, deadline=0.5)
    assert (code, in_the_end) == ("service_unavailable", 1 + QUEUE_PER_THREAD)


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


def test_a_stop_does_not_wait_longer_than_it_may_and_says_what_still_runs() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang(_: None) -> None:
        begun.set()
        gate.wait(SOON)

    async def scene(lane: Lane) -> Any:
        hanging = asyncio.ensure_future(lane.run(hang, None))
        await asyncio.to_thread(begun.wait, SOON)
        started = time.monotonic()
        left = await asyncio.to_thread(stop, [lane, Lane("idle", 1)], seconds=0.2)
        waited = time.monotonic() - started
        gate.set()
        await hanging
        return left, waited

    left, waited = run_scene(scene, threads=1)
    assert left == 1 and waited < SOON


def test_a_caller_who_leaves_frees_no_place_while_the_thread_still_works() -> None:
    gate, begun = threading.Event(), threading.Event()

    def work(_: None) -> None:
        begun.set()
        gate.wait(SOON)

    async def scene(lane: Lane) -> Any:
        leaving = asyncio.ensure_future(lane.run(work, None))
        await asyncio.to_thread(begun.wait, SOON)
        leaving.cancel()
        await asyncio.wait([leaving])
        waiting = [asyncio.ensure_future(lane.run(str, n)) for n in range(QUEUE_PER_THREAD)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError):
            await lane.run(str, "one too many")
        gate.set()
        await asyncio.gather(*waiting)
        return await room(lane)

    assert run_scene(scene, threads=1) == 1 + QUEUE_PER_THREAD


def test_a_caller_who_leaves_before_the_call_begins_frees_its_place() -> None:
    gate = threading.Event()

    async def scene(lane: Lane) -> Any:
        running = asyncio.ensure_future(lane.run(gate.wait, SOON))
        waiting = [asyncio.ensure_future(lane.run(str, n)) for n in range(QUEUE_PER_THREAD)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        instead = asyncio.ensure_future(lane.run(str, "instead"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(running, *waiting)
        return await instead

    assert run_scene(scene, threads=1) == "instead"


def test_a_closed_lane_lets_its_calls_end_and_takes_no_more() -> None:
    ended: list[str] = []

    async def scene(lane: Lane) -> Any:
        running = asyncio.ensure_future(lane.run(ended.append, "the last one"))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(stop, [lane], seconds=SOON) == 0
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
    gate, works = threading.Event(), threading.Event()

    def call(name: str) -> None:
        begun.append(name)
        works.set()
        gate.wait(SOON)

    async def scene(lane: Lane) -> Any:
        running = asyncio.create_task(lane.run(call, "running"))
        assert await asyncio.to_thread(works.wait, SOON)
        queued = [asyncio.create_task(lane.run(call, name)) for name in ("left", "expired")]
        await asyncio.sleep(0)  # now they wait for the thread, and no deadline can have come
        queued[0].cancel()
        outcomes = await asyncio.gather(running, *queued, return_exceptions=True)
        gate.set()
        last = await lane.run(lambda name: name, "next")
        return [type(each).__name__ for each in outcomes], last

    assert run_scene(scene, threads=1, deadline=0.5) == (
        ["CallExpired", "CancelledError", "CallExpired"],
        "next",
    )
    assert begun == ["running"]


def test_webhooks_and_health_checks_wait_behind_nothing_else() -> None:
    lanes = _lanes(operations_of(CONTRACT), settings.load())
    together = {
        name: {other for other in lanes if lanes[other] is lanes[name]}
        for name in (
            *("webhookPayments", "healthReady", "usersGetById", "jobsCreate"),
            "dataUploadMultipart",
        )
    }
    assert together["webhookPayments"] == {"webhookPayments"}
    assert together["healthReady"] == {"healthReady"}
    assert isinstance(lanes["healthLive"], NoLane)
    assert {"jobsGet", "paymentsGet", "tariffsList"} < together["usersGetById"]
    assert {"usersRegisterOrLogin", "eventsList"} < together["jobsCreate"]
    assert not together["usersGetById"] & together["jobsCreate"]
    assert "paymentsCreateIntent" in together["dataUploadMultipart"]
