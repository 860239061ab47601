"""How many requests a minute one key, and one user, may make of this process; ADR 11 says why.

The headers are those of draft-ietf-httpapi-ratelimit-headers-06.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.types import now
from errors import ApiError
from logs import EXCHANGE
from web.inputs import INPUTS

LIMIT, REMAINING, RESET = "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"

Identify = Callable[[Scope], str | None]


class Windows(MemoryStorage):
    """The storage of `limits`, which scans all windows for expired ones on every single hit.

    With ten thousand users a minute that took longer than the request; here it scans once a second.
    """

    SWEEP_SECONDS = 1

    def __init__(self) -> None:
        super().__init__()
        self._next_sweep = 0.0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count a hit of `key`; returns the hits in its window, which the first one opened."""
        moment = now().timestamp()
        if moment >= self._next_sweep:
            self._sweep(moment)
        if self.expirations.get(key, 0) <= moment:
            self.storage[key] = 0
            self.expirations[key] = moment + expiry
        self.storage[key] += amount
        return self.storage[key]

    def _sweep(self, moment: float) -> None:
        self._next_sweep = moment + self.SWEEP_SECONDS
        for key in [key for key, end in self.expirations.items() if end <= moment]:
            del self.storage[key], self.expirations[key]


class RateLimit:
    """Refuses requests beyond `limit` in its window: `rate_limited` with Retry-After.

    identify: says whose request it is; None is not counted. Responses, and refusals by the API,
    say what is left; where two limits count, they show the one closer to exhaustion.
    """

    def __init__(self, app: ASGIApp, *, limit: RateLimitItem, identify: Identify) -> None:
        self._app = app
        self._limit = limit
        self._identify = identify
        # Counted in the event loop, so two simultaneous requests cannot both take the last one.
        self._windows = FixedWindowRateLimiter(Windows())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request; ApiError `rate_limited`, or call on."""
        name = self._identify(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        allowed = await self._windows.hit(self._limit, name)
        quota = await self._quota(name)
        if not allowed:
            raise ApiError("rate_limited", retry_after=quota.reset, headers=quota.headers())

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": quota.added_to(message["headers"])}
            await send(message)

        try:
            await self._app(scope, receive, told)
        except ApiError as refusal:
            if quota.is_nearer_than(refusal.headers):
                refusal.headers |= quota.headers()
            raise

    async def _quota(self, name: str) -> _Quota:
        reset_at, remaining = await self._windows.get_window_stats(self._limit, name)
        seconds = math.ceil(reset_at - now().timestamp())
        return _Quota(self._limit.amount, remaining, max(seconds, 1))


def by_key(scope: Scope) -> str | None:
    """The accepted key, by its position in SERVER_API_KEY; None where none is asked for."""
    number = scope[EXCHANGE].key
    return None if number is None else str(number)


def by_user(scope: Scope) -> str | None:
    """The user a bot's request is about: userId, otherwise telegramId; None if it names neither.

    Runs after validation, which has left the arguments in the scope.
    """
    if scope[EXCHANGE].key is None:
        return None
    arguments = scope[INPUTS].arguments
    body = arguments.get("body") or {}
    # Fields that an operation does not declare are ignored, so they may be anything.
    for kind, name in (
        ("user", arguments.get("user_id") or body.get("userId")),
        ("telegram", body.get("telegramId")),
    ):
        if isinstance(name, str):
            return f"{kind} {name.lower()}"
    return None


def per_minute(requests: int) -> RateLimitItem:
    """This many requests in a minute that starts with the first of them."""
    return RateLimitItemPerMinute(requests)


@dataclass(frozen=True, slots=True)
class _Quota:
    """Requests allowed and left in the window; seconds until the next window."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            LIMIT: str(self.limit),
            REMAINING: str(self.remaining),
            RESET: str(self.reset),
        }

    def is_nearer_than(self, headers: Mapping[str, str]) -> bool:
        """Whether less is left than these headers say, or they say nothing."""
        return REMAINING not in headers or self.remaining < int(headers[REMAINING])

    def added_to(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        own = {name.encode(): value.encode() for name, value in self.headers().items()}
        if not self.is_nearer_than({n.decode(): v.decode() for n, v in headers if n in own}):
            return headers
        return [each for each in headers if each[0] not in own] + list(own.items())
