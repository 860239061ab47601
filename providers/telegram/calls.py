"""One call of one Bot API method: when to retry, wait or give up, and what failures mean."""

from __future__ import annotations

import json
import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from providers.dialects import Dialect, Refusal
from providers.failures import ProviderError
from providers.http import Patience, Transport
from providers.telegram.refusals import Meaning, TelegramError, refusal

ATTEMPTS = 3
# A 429 is waited out for at most this long; a longer wait is left to the caller.
PATIENCE_SECONDS = 3.0
# Concurrent calls, including their pauses: a Telegram that hangs or rate-limits us must not occupy
# every thread of the server. A call that gets no slot in time is refused, to be retried later.
AT_ONCE = 4
ROOM_SECONDS = 0.5
ROOM_RETRY_AFTER = 2
TOO_MANY_REQUESTS = 429

_TOKEN_IN_PATH = re.compile(r"/bot\d+:[\w-]+")

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Time for calls: seconds that never go back, and a way to wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Haste:
    """How long a call may take, seconds: one attempt, and the latest start of another."""

    attempt_seconds: float
    last_start_seconds: float


ORDINARY = Haste(attempt_seconds=8.0, last_start_seconds=10.0)
# Some of a pre-checkout's 10 s are spent before the question reaches us: 7 s in all.
URGENT = Haste(attempt_seconds=3.0, last_start_seconds=4.0)


class BotCalls:
    """The Bot API at one base URL for one token and one Haste. Safe to share between threads."""

    def __init__(self, base_url: str, token: str, *, clock: Clock, haste: Haste) -> None:
        _hide_tokens_in_logs()
        self._clock = clock
        self._haste = haste
        # Which calls may be repeated is decided here: the transport decides by idempotency keys,
        # which the Bot API does not have.
        patience = Patience(
            read_seconds=haste.attempt_seconds, total_seconds=haste.attempt_seconds, tries=1
        )
        self._transport = Transport(
            DIALECT, f"{base_url.rstrip('/')}/bot{token}", authorization=None, patience=patience
        )
        self._room = threading.BoundedSemaphore(AT_ONCE)
        # Method -> time until which Telegram has asked us not to call it.
        self._silent_until: dict[str, float] = {}

    def call(
        self,
        method: str,
        parameters: Mapping[str, Any],
        *,
        read: Callable[[Any], T],
        repeatable: bool = True,
    ) -> T:
        """The `result` of a method, turned into a value by `read`. Raises TelegramError.

        repeatable: a second execution does no harm, so the call is repeated if its answer is lost.
        """
        if not self._room.acquire(timeout=ROOM_SECONDS):
            raise TelegramError(
                method,
                Meaning.TEMPORARY,
                "too many calls at once",
                retry_after=ROOM_RETRY_AFTER,
            )
        try:
            return self._patiently(method, parameters, read, repeatable=repeatable)
        finally:
            self._room.release()

    def _patiently(
        self,
        method: str,
        parameters: Mapping[str, Any],
        read: Callable[[Any], T],
        *,
        repeatable: bool,
    ) -> T:
        last_start = self._clock.now() + self._haste.last_start_seconds
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _understood(method, self._attempt(method, parameters), read)
            except TelegramError as error:
                pause = self._pause(error, attempt, repeatable=repeatable)
                if pause is None or self._clock.now() + pause > last_start:
                    _alarm(error)
                    raise
            self._clock.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, error: TelegramError, attempt: int, *, repeatable: bool) -> float | None:
        """Seconds until the next attempt, None when there is to be none."""
        if error.meaning is not Meaning.TEMPORARY or attempt == ATTEMPTS:
            return None
        if error.retry_after is not None:
            # A 429 was not executed: waiting is safe for every method.
            return error.retry_after if error.retry_after <= PATIENCE_SECONDS else None
        if not repeatable:
            return None
        jitter = random.uniform(0.1, 0.3)  # noqa: S311 - no secret
        return jitter * float(2**attempt)

    def _attempt(self, method: str, parameters: Mapping[str, Any]) -> Any:
        if (silence := self._silent_until.get(method, 0) - self._clock.now()) > 0:
            raise TelegramError(
                method, Meaning.TEMPORARY, "asked to wait", retry_after=math.ceil(silence)
            )
        try:
            answer = self._transport.post(f"/{method}", parameters, call=method, key=None)
        except ProviderError as failure:
            error = refusal(method, failure)
            if failure.http_status == TOO_MANY_REQUESTS and error.retry_after is not None:
                self._silent_until[method] = self._clock.now() + error.retry_after
            raise error from failure
        if answer.get("ok") is not True or "result" not in answer:
            raise TelegramError(method, Meaning.TEMPORARY, "not a Bot API response (a proxy?)")
        return answer["result"]


def _understood(method: str, result: Any, read: Callable[[Any], T]) -> T:
    try:
        return read(result)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise TelegramError(
            method, Meaning.REJECTED, f"unexpected response: {problem!r}"
        ) from problem


def _alarm(error: TelegramError) -> None:
    """Only chats from the settings are queried, so an unknown one is the operator's error too."""
    if error.meaning in (Meaning.CONFIGURATION, Meaning.WRONG_CHAT):
        logger.error(
            "Telegram refuses the bot: %s: %s (see docs/telegram.md)",
            error.method,
            error.description,
        )


def _encode(parameters: Mapping[str, Any]) -> bytes:
    return json.dumps(parameters, ensure_ascii=False).encode()


def _read_refusal(_: Mapping[str, str], answer: Mapping[str, Any]) -> Refusal:
    """The reason is the new id of a migrated group: the description says everything else."""
    parameters = answer.get("parameters")
    if not isinstance(parameters, Mapping):
        parameters = {}
    retry_after = parameters.get("retry_after")
    return Refusal(
        reason=str(parameters.get("migrate_to_chat_id", "")),
        description=str(answer.get("description", "")),
        retry_after=float(retry_after) if isinstance(retry_after, int) else None,
    )


DIALECT = Dialect(
    provider="telegram",
    content_type="application/json",
    key_header="",
    encode=_encode,
    read_refusal=_read_refusal,
)


class _TokenFilter(logging.Filter):
    """The token is part of every URL path, and urllib3 writes paths at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _TOKEN_IN_PATH.sub("/bot***", record.getMessage())
        record.args = None
        return True


def _hide_tokens_in_logs() -> None:
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        source = logging.getLogger(name)
        if not any(isinstance(known, _TokenFilter) for known in source.filters):
            source.addFilter(_TokenFilter())
