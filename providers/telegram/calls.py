"""One call of one Bot API method: time limits, retries, waiting out 429, errors with a meaning.

The token is part of every URL, so nothing that could print a URL leaves this module: exceptions
of requests are not chained, and urllib3's own log lines are stripped of it.
"""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from providers.telegram.refusals import Meaning, TelegramError, refusal

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
ATTEMPTS = 3
# A 429 is waited out this long at most; a longer one is the caller's to wait.
PATIENCE_SECONDS = 3.0

_TOKEN_IN_PATH = re.compile(r"/bot\d+:[\w-]+")

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Time as calls see it: seconds that never go back, and a way to wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class BotCalls:
    """The Bot API at one base URL for one token. Safe to share between threads."""

    def __init__(self, base_url: str, token: str, clock: Clock) -> None:
        self._root = f"{base_url.rstrip('/')}/bot{token}"
        self._clock = clock
        self._local = threading.local()
        # Method -> moment until which Telegram has asked for silence.
        self._silent_until: dict[str, float] = {}
        _hide_tokens_in_logs()

    def call(
        self,
        method: str,
        parameters: Mapping[str, Any],
        *,
        read: Callable[[Any], T],
        repeatable: bool = True,
        budget_seconds: float = 20.0,
        read_seconds: float = READ_SECONDS,
    ) -> T:
        """The `result` of a method, turned into a value by `read`. Raises TelegramError.

        repeatable: a second execution does no harm, so a lost answer is asked for again.
        budget_seconds: no attempt starts, waits or reads beyond it.
        read_seconds: patience with one attempt.
        """
        deadline = self._clock.now() + budget_seconds
        for attempt in range(1, ATTEMPTS + 1):
            seconds = min(read_seconds, deadline - self._clock.now())
            try:
                result = self._attempt(method, parameters, seconds)
                return _understood(method, result, read)
            except TelegramError as error:
                pause = self._pause(error, attempt, repeatable=repeatable)
                if pause is None or self._clock.now() + pause >= deadline:
                    _report(error)
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

    def _attempt(self, method: str, parameters: Mapping[str, Any], seconds: float) -> Any:
        if (silence := self._silent_until.get(method, 0) - self._clock.now()) > 0:
            raise TelegramError(
                method, Meaning.TEMPORARY, "still asked to wait", retry_after=math.ceil(silence)
            )
        status, answer = self._exchange(method, parameters, seconds)
        if status == 200 and answer.get("ok") is True and "result" in answer:
            return answer["result"]
        error = refusal(method, status, answer)
        if error.retry_after is not None:
            self._silent_until[method] = self._clock.now() + error.retry_after
        raise error

    def _exchange(
        self, method: str, parameters: Mapping[str, Any], seconds: float
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and JSON object of the answer, {} where it is something else."""
        limits = (min(CONNECT_SECONDS, seconds), seconds)
        failure = ""
        try:
            response = self._session().post(
                f"{self._root}/{method}", json=parameters, timeout=limits, allow_redirects=False
            )
            body = response.json()
        except requests.JSONDecodeError:
            return response.status_code, {}
        except requests.RequestException as problem:
            failure = type(problem).__name__
        if failure:
            # Raised outside the handler: the exception of requests names the URL, and the token.
            raise TelegramError(method, Meaning.TEMPORARY, failure)
        return response.status_code, body if isinstance(body, dict) else {}

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _understood(method: str, result: Any, read: Callable[[Any], T]) -> T:
    try:
        return read(result)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise TelegramError(
            method, Meaning.REJECTED, f"answer of an unknown shape: {problem!r}"
        ) from problem


def _report(error: TelegramError) -> None:
    if error.meaning is Meaning.CONFIGURATION:
        logger.error(
            "Telegram refuses the bot: %s: %s (see docs/telegram.md)",
            error.method,
            error.description,
        )
    elif error.meaning in (Meaning.TEMPORARY, Meaning.REJECTED, Meaning.WRONG_CHAT):
        logger.warning("Telegram call failed: %s: %s", error.method, error.description)


class _TokenFilter(logging.Filter):
    """Strips the token from the URL paths that urllib3 writes at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _TOKEN_IN_PATH.sub("/bot***", record.getMessage())
        record.args = None
        return True


def _hide_tokens_in_logs() -> None:
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        source = logging.getLogger(name)
        if not any(isinstance(known, _TokenFilter) for known in source.filters):
            source.addFilter(_TokenFilter())
