"""Threads that run blocking calls for an event loop: limited in number, queue length and time."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from errors import ApiError
from telemetry import metrics

# Calls that may queue per thread: this makes a wait about as long as a bot will tolerate.
QUEUE_PER_THREAD = 8
# Longer than calls can take by their own limits, except for a few that ask several external
# systems that are all slow. A call that hangs beyond it gets a 503, and its thread is lost until it
# returns.
DEADLINE_SECONDS = 50

log = logging.getLogger(__name__)


class CallExpired(ApiError):
    """The caller no longer waits; the call still runs and may be using its argument."""

    def __init__(self) -> None:
        super().__init__("service_unavailable", retry_after=5)


class NoLane:
    """For calls that never block: the event loop runs them, however busy the threads are."""

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """`function(argument)`, in a copy of the caller's context."""
        return contextvars.copy_context().run(function, argument)


class Lane:
    """At most `threads` threads, each started when it is first needed and so after a fork."""

    def __init__(self, name: str, threads: int, *, deadline: float = DEADLINE_SECONDS) -> None:
        self.name = name
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most_calls = threads * (1 + QUEUE_PER_THREAD)
        self._deadline = deadline
        # Those that run, wait for a thread, or hang although their callers have been answered.
        self._calls: set[Future[Any]] = set()

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """`function(argument)` in a thread of this lane, in a copy of the caller's context.

        ApiError `service_unavailable` at once when QUEUE_PER_THREAD calls per thread are already
        waiting; CallExpired when the call has not returned within the lane's deadline.
        """
        if len(self._calls) >= self._most_calls:
            metrics.lane_refused.add(self.name)
            raise _busy()
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        try:
            call = self._executor.submit(_call, contextvars.copy_context(), function, argument)
        except RuntimeError as stopped:
            raise _busy() from stopped
        self._calls.add(call)

        def returned(call: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._deliver, call, answer)

        call.add_done_callback(returned)
        expiry = loop.call_later(self._deadline, _expire, answer)
        try:
            return await answer
        finally:
            expiry.cancel()
            call.cancel()  # the caller disconnected or timed out: not begun

    def measure(self) -> None:
        """Tell how many calls run and how many wait."""
        calls = len(self._calls)
        metrics.lane_busy.set(min(calls, self._threads), self.name)
        metrics.lane_waiting.set(max(calls - self._threads, 0), self.name)

    def stop(self) -> set[Future[Any]]:
        """Accept no more calls; returns those that have not ended."""
        self._executor.shutdown(wait=False)
        return set(self._calls)

    def _deliver(self, call: Future[Any], answer: asyncio.Future[Any]) -> None:
        """In the loop's thread, when a call has returned or was withdrawn before it began."""
        self._calls.discard(call)
        if call.cancelled():
            return
        error = call.exception()
        if answer.done():  # the caller disconnected or timed out
            self._report(error)
        elif error is None:
            answer.set_result(call.result())
        else:
            answer.set_exception(error)

    def _report(self, error: BaseException | None) -> None:
        """Log an outcome without a caller: a bug, or that something took effect after all."""
        if error is None or isinstance(error, ApiError):
            log.warning("a call in lane %s finished after its request ended", self.name)
        else:
            kind = type(error).__name__
            log.error(
                "unhandled %s in lane %s after its request ended", kind, self.name, exc_info=error
            )


def stop(lanes: Iterable[Lane], *, seconds: float) -> int:
    """Accept no more calls and give those running `seconds` to end; returns how many did not."""
    calls = set[Future[Any]]().union(*(lane.stop() for lane in lanes))
    return len(wait(calls, timeout=seconds).not_done)


def _call(context: contextvars.Context, function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return context.run(function, argument)
    except StopIteration as stop:  # asyncio's futures refuse to hold one
        raise RuntimeError("a handler let StopIteration through") from stop


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(CallExpired())


def _busy() -> ApiError:
    return ApiError("service_unavailable", "Too many requests are waiting", retry_after=1)
