"""How many requests a minute one key, and one user, may make; ADR 11 says why.

The headers are those of draft-ietf-httpapi-ratelimit-headers-06.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import ApiError
from quotas import Quota, Quotas
from settings import Settings
from telemetry.logs import EXCHANGE
from web.inputs import INPUTS
from web.lanes import Lane
from web.shared_limits import SharedQuotas

WINDOW_SECONDS = 60
LIMIT, REMAINING, RESET = "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"

Identify = Callable[[Scope], str | None]
Count = Callable[[str], Awaitable[Quota]]


class RateLimit:
    """Refuses more than a limit in a window: `rate_limited` with Retry-After.

    count: counts a request of a name. identify: says whose request it is; None is not counted.
    Responses, and refusals by the API, say what is left; where two limits count, they show the one
    closer to exhaustion.
    """

    def __init__(self, app: ASGIApp, *, count: Count, identify: Identify) -> None:
        self._app = app
        self._identify = identify
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request; ApiError `rate_limited`, or call on."""
        name = self._identify(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        quota = await self._count(name)
        if quota.left < 0:
            raise ApiError("rate_limited", retry_after=quota.reset, headers=_headers(quota))

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _added(quota, message["headers"])}
            await send(message)

        try:
            await self._app(scope, receive, send_with_quota)
        except ApiError as refusal:
            if _is_nearer(quota, refusal.headers):
                refusal.headers |= _headers(quota)
            raise


def in_process(requests: int) -> Count:
    """Each process counts for itself, in its event loop: two simultaneous requests cannot both take
    the last one.
    """
    quotas = Quotas(requests, seconds=WINDOW_SECONDS)

    async def count(name: str) -> Quota:
        return quotas.count(name)

    return count


def in_database(kind: str, requests: int, lane: Lane) -> Count:
    """All processes of all hosts count together."""
    return SharedQuotas(kind, requests, seconds=WINDOW_SECONDS, lane=lane).count


def warning(settings: Settings) -> str | None:
    """What an operator must know of limits that each process counts for itself."""
    limits = {
        "RATE_LIMIT_PER_USER": settings.rate_limit_per_user,
        "RATE_LIMIT_PER_KEY": settings.rate_limit_per_key,
    }
    if settings.rate_limit_store != "process" or not any(limits.values()):
        return None
    processes = settings.web_concurrency
    named = " and ".join(f"{name}={value}" for name, value in limits.items() if value)
    return (
        f"{named}: counted by each of the {processes} server processes of each host, so that up to"
        f" {processes} times as many requests a minute are taken here, and as many more by each"
        " further host; RATE_LIMIT_STORE=database counts them together"
    )


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


def _remaining(quota: Quota) -> int:
    return max(quota.left, 0)


def _headers(quota: Quota) -> dict[str, str]:
    values = (quota.limit, _remaining(quota), quota.reset)
    return dict(zip((LIMIT, REMAINING, RESET), map(str, values), strict=True))


def _is_nearer(quota: Quota, headers: Mapping[str, str]) -> bool:
    """Whether less is left than these headers say, or they say nothing."""
    return REMAINING not in headers or _remaining(quota) < int(headers[REMAINING])


def _added(quota: Quota, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = {name.encode(): value.encode() for name, value in _headers(quota).items()}
    if not _is_nearer(quota, {n.decode(): v.decode() for n, v in headers if n in own}):
        return headers
    return [each for each in headers if each[0] not in own] + list(own.items())
