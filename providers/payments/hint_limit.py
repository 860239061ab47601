"""Limits how often unsigned hints make us ask a provider about the same thing."""

from __future__ import annotations

import threading

from errors import ApiError
from quotas import Quotas

# A provider reports one payment a few times, repeats included; more must come from others.
PER_MINUTE = 30


class HintLimit:
    """Counts hints by their subject, in this process. Safe to share between threads.

    Unsigned notifications may come from anybody who knows a payment's id, such as its payer:
    without a limit they could use up the requests that the provider allows the shop.
    """

    def __init__(self) -> None:
        self._quotas = Quotas(PER_MINUTE, seconds=60)
        self._lock = threading.Lock()

    def take(self, *names: object) -> None:
        """Count one hint about the subject with these names.

        ApiError `rate_limited` when one of them has had PER_MINUTE: a provider repeats later.
        """
        known = [str(name) for name in names if name is not None]
        with self._lock:
            for name in known:
                quota = self._quotas.look(name)
                if quota.left <= 0:
                    raise ApiError("rate_limited", retry_after=quota.reset)
            for name in known:
                self._quotas.count(name)
