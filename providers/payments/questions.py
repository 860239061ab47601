"""How often anybody can make us ask a provider about the same thing."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from errors import ApiError

# A provider tells of one payment a few times, with repeats; whoever tells more is somebody else.
PER_MINUTE = 30


class QuestionLimit:
    """Counts questions by what they are about, in this process. Safe to share between threads.

    What is not signed may come from anybody who knows the name of a payment, its payer for one:
    without a limit they use up what the provider lets the shop ask.
    """

    def __init__(self) -> None:
        self._limit = RateLimitItemPerMinute(PER_MINUTE)
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    def take(self, *names: object) -> None:
        """Count one question that goes by these names.

        ApiError `rate_limited` when one of them has had PER_MINUTE: a provider tells again later.
        """
        known = [str(name) for name in names if name is not None]
        for name in known:
            if not self._windows.test(self._limit, name):
                reset_at = self._windows.get_window_stats(self._limit, name).reset_time
                raise ApiError("rate_limited", retry_after=math.ceil(reset_at - time.time()) or 1)
        for name in known:
            self._windows.hit(self._limit, name)
