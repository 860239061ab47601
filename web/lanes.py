"""Threads that run blocking calls for an event loop: limited in number, queue length and time.

concurrent.futures would do, at half as much CPU again per call: its futures have their own lock
and condition, and each result wakes the loop separately.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from errors import ApiError

# Calls that may queue per thread: this makes a wait about as long as a bot will tolerate.
QUEUE_PER_THREAD = 8
# Longer than calls can take by their own limits, except for a few that ask several external
# systems that are all slow. A call that hangs beyond it (a frozen database honours not even a
# statement timeout) gets a 503, and its thread is lost until the call returns.
DEADLINE_SECONDS = 50

_NOT_BEGUN = object()

log = logging.getLogger(__name__)


class CallExpired(ApiError):
    """The caller no longer waits; the call still runs and may be using its argument."""

    def __init__(self) -> None:
        super().__init__("service_unavailable", retry_after=5)


_Call = tuple[
    "asyncio.Future[Any]", contextvars.Context, Callable[[Any], Any], Any
]  # future, context, function, argument


class NoLane:
    """For calls that never block: the event loop runs them, however busy the threads are."""

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """`function(argument)`, in a copy of the caller's context."""
        return contextvars.copy_context().run(function, argument)

    def stop(self) -> None:
        """Nothing runs."""

    def close(self, *, seconds: float) -> None:
        """Nothing runs."""


class Lane:
    """`threads` threads, started by the first call and so after a fork."""

    def __init__(self, name: str, threads: int, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._name = name
        self._deadline = deadline
        self._free = threads * (1 + QUEUE_PER_THREAD)
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._finished: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._delivering = False
        self._closed = False
        # Calls being waited for, oldest first, and their deadlines. One timer for all: two thousand
        # timers a second would cost half as much as passing calls to threads and back.
        self._ends: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """`function(argument)` in a thread of this lane, in a copy of the caller's context.

        ApiError `service_unavailable` at once when QUEUE_PER_THREAD calls per thread are already
        waiting; CallExpired when the call has not returned within DEADLINE_SECONDS.
        """
        if self._closed or not self._free:
            raise ApiError("service_unavailable", "Too many requests are waiting", retry_after=1)
        loop = asyncio.get_running_loop()
        if not self._threads:
            self._start()
        # Only the loop's thread counts free slots, and frees one only when the call has really
        # returned: the caller may be cancelled while its thread still works.
        self._free -= 1
        future: asyncio.Future[Any] = loop.create_future()
        self._calls.put((future, contextvars.copy_context(), function, argument))
        self._ends[future] = loop.time() + self._deadline
        if self._timer is None:
            self._timer = loop.call_later(self._deadline, self._expire, loop)
        try:
            return await future
        finally:
            del self._ends[future]

    def stop(self) -> None:
        """Accept no more calls."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._calls.put(None)

    def close(self, *, seconds: float) -> None:
        """Accept no more calls, and give those running `seconds` to finish."""
        self.stop()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the wait for calls past their deadline; set the timer for the next deadline."""
        self._timer = None
        for future, end in self._ends.items():
            if end > loop.time():
                self._timer = loop.call_at(end, self._expire, loop)
                break
            if not future.done():
                future.set_exception(CallExpired())

    def _start(self) -> None:
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, context, function, argument = call
            result: Any = None
            error: BaseException | None = None
            if future.done():  # disconnected or timed out: skip the call
                result = _NOT_BEGUN
            else:
                try:
                    result = context.run(function, argument)
                except StopIteration as stop:  # a future refuses to hold one
                    error = RuntimeError("a handler let StopIteration through")
                    error.__cause__ = stop
                except BaseException as raised:
                    error = raised
            self._finished.append((future, result, error))
            # If the flag is set, a delivery has not begun yet and will find this result.
            if not self._delivering:
                self._delivering = True
                future.get_loop().call_soon_threadsafe(self._deliver)
            del call, future, context, argument, result, error  # not kept until the next call

    def _deliver(self) -> None:
        """In the loop's thread: deliver everything finished, with one wake-up for many."""
        self._delivering = False
        while self._finished:
            future, result, error = self._finished.popleft()
            self._free += 1
            if result is _NOT_BEGUN:
                continue
            if future.done():  # the caller disconnected or timed out
                _report(error)
            elif error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _report(error: BaseException | None) -> None:
    """Log an outcome without a caller: a bug, or that something took effect after all."""
    if error is None or isinstance(error, ApiError):
        log.warning("a call finished after its request ended")
    else:
        log.error("unhandled %s after its request ended", type(error).__name__, exc_info=error)
