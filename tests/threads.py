"""Races with real threads: the same call many times concurrently."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any


def at_once(call: Callable[[], Any], times: int) -> list[Any]:
    """Results or exceptions of `times` calls that start together."""
    start = Barrier(times)

    def run() -> Any:
        start.wait()
        try:
            return call()
        except Exception as error:  # the test looks at what went wrong
            return error

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(times)]]
