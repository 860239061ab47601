"""Counts of rate limits that hold over all processes and hosts, as far as the database answers."""

from __future__ import annotations

import logging
import math
import time
from hashlib import blake2b
from uuid import UUID

from db import counting
from quotas import Quota, Quotas
from services import rate_windows
from telemetry import metrics
from web.lanes import Lane

# The longest that a request waits to be counted: then this process counts alone for a while.
ANSWER_SECONDS = 0.5
ALONE_SECONDS = 5
MOST_KNOWN = 10_000

log = logging.getLogger(__name__)


class SharedQuotas:
    """`limit` times for each name, in windows that begin with its first time at any process.

    Whoever is beyond the limit is refused from memory until their window ends, so that a flood
    costs the database nothing. While it is away or slow, this process counts for itself, as without
    it: that keeps a flood out, and no request fails for want of a count. For one event loop.

    kind: tells names of one limit from those of another.
    """

    def __init__(self, kind: str, limit: int, *, seconds: int, lane: Lane) -> None:
        self._kind = kind
        self._limit = limit
        self._seconds = seconds
        self._lane = lane
        self._alone = Quotas(limit, seconds=seconds)
        self._alone_until = 0.0
        self._refused: dict[str, float] = {}  # name -> end of its window

    async def count(self, name: str) -> Quota:
        """Count one more time, and say what is left then."""
        now = time.monotonic()
        if (end := self._refused.get(name, 0)) > now:
            return Quota(self._limit, -1, math.ceil(end - now))
        if now < self._alone_until:
            return self._count_alone(name)
        try:
            quota: Quota = await self._lane.run(self._counted, name)
        except Exception as error:  # whatever it is, a limit is not what stops the service
            self._alone_until = time.monotonic() + ALONE_SECONDS
            log.warning("rate limits: each process counts alone for a while: %s", error)
            return self._count_alone(name)
        if quota.left < 0:
            self._remember(name, time.monotonic() + quota.reset)
        return quota

    def _counted(self, name: str) -> Quota:
        """In a thread. A hash, as the table needs no names."""
        key = UUID(bytes=blake2b(f"{self._kind} {name}".encode(), digest_size=16).digest())
        with counting() as connection:
            row = rate_windows.count(connection, key, seconds=self._seconds)
        reset = max(1, math.ceil(row.ends_in.total_seconds()))
        return Quota(self._limit, self._limit - row.used, reset)

    def _count_alone(self, name: str) -> Quota:
        metrics.rate_limits_alone.add()
        return self._alone.count(name)

    def _remember(self, name: str, end: float) -> None:
        if len(self._refused) >= MOST_KNOWN:
            now = time.monotonic()
            self._refused = {each: at for each, at in self._refused.items() if at > now}
        self._refused[name] = end
