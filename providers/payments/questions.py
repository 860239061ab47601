"""Limits how often anybody can make us ask a provider about the same thing."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from errors import ApiError

# A provider reports one payment a few times, repeats included; more must come from somebody else.
PER_MINUTE = 30


class QuestionLimit:
    """Counts questions by their subject, in this process. Safe to share between threads.

    Unsigned notifications may come from anybody who knows a payment's id, such as its payer:
    without a limit they could use up the requests that the provider allows the shop.
    """

    def __init__(self) -> None:
        self._limit = RateLimitItemPerMinute(PER_MINUTE)
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    def take(self, *names: object) -> None:
        """Count one question about the subject with these names.

        ApiError `rate_limited` when one of them has had PER_MINUTE: a provider repeats later.
        """
        known = [str(name) for name in names if name is not None]
        for name in known:
            if not self._windows.test(self._limit, name):
                reset_at = self._windows.get_window_stats(self._limit, name).reset_time
                raise ApiError("rate_limited", retry_after=math.ceil(reset_at - time.time()) or 1)
        for name in known:
            self._windows.hit(self._limit, name)
