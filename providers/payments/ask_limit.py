"""Limits how often others make us ask a provider about the same thing."""

from __future__ import annotations

import threading

from errors import ApiError
from quotas import Quotas


class AskLimit:
    """Counts questions by their subject, in this process. Safe to share between threads.

    Unsigned notifications may come from anybody who knows a payment's id, such as its payer, and
    customers press a button as often as they like: without a limit they could use up the requests
    that the provider allows the shop.
    """

    def __init__(self, per_minute: int) -> None:
        self._quotas = Quotas(per_minute, seconds=60)
        self._lock = threading.Lock()

    def take(self, *names: object) -> None:
        """Count one question about the subject with these names.

        ApiError `rate_limited` when one of them has had its number: it may be asked later.
        """
        known = [str(name) for name in names if name is not None]
        with self._lock:
            for name in known:
                quota = self._quotas.look(name)
                if quota.left <= 0:
                    raise ApiError("rate_limited", retry_after=quota.reset)
            for name in known:
                self._quotas.count(name)
