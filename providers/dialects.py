"""How the protocols of providers differ, and what an answer of theirs means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from providers.failures import ProviderMisconfigured, ProviderRejected, ProviderUnavailable
from providers.sessions import MAX_ANSWER_BYTES, json_object, retry_after

# After these the provider may have done what was asked, or may do it when asked again.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
KEY_STATUSES = frozenset({401, 403})


@dataclass(frozen=True)
class Refusal:
    """What a provider's error response says; empty when it is not in the provider's format.

    repeat: the provider's own advice on repeating the call, None if it gives none.
    """

    reason: str = ""
    description: str = ""
    retry_after: float | None = None
    repeat: bool | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Dialect:
    """How a provider's protocol differs from the others'.

    passing: statuses of this provider that mean "retry", besides PASSING_STATUSES. done: statuses
    of an answer. speechless: calls that are answered without a body. frequent: calls whose success
    is not worth a line of the log.
    """

    provider: str
    content_type: str
    key_header: str
    encode: Callable[[Mapping[str, Any]], bytes]
    read_refusal: Callable[[Mapping[str, str], Mapping[str, Any]], Refusal]
    passing: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset({200})
    speechless: frozenset[str] = frozenset()
    frequent: frozenset[str] = frozenset()
    max_answer_bytes: int = MAX_ANSWER_BYTES


@dataclass(frozen=True)
class Answer:
    """A provider's answer: its JSON object, {} of a call that is answered without a body."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


def understand(dialect: Dialect, call: str, response: requests.Response, body: bytes) -> Answer:
    """The answer to a call. Raises ProviderUnavailable, ProviderRejected or ProviderMisconfigured,
    with the provider's own words where there are any.
    """
    speechless = call in dialect.speechless
    answer = {} if speechless and not body else json_object(body)
    status = response.status_code
    if status in dialect.done and answer is not None:
        return Answer(status, response.headers, answer)
    refusal = dialect.read_refusal(response.headers, answer or {})
    words = refusal.description or f"HTTP {status}, not a response of the API"
    if status < 300 or status >= 500 or status in PASSING_STATUSES | dialect.passing:
        waiting = retry_after(response)
        raise ProviderUnavailable(
            dialect.provider,
            call,
            words,
            http_status=status,
            reason=refusal.reason,
            retry_after=refusal.retry_after if waiting is None else waiting,
            repeat=refusal.repeat is not False,
            replayed=refusal.replayed,
        )
    # A 4xx not in the provider's format came from a proxy or a wrong URL.
    foreign = status < 400 or not (refusal.reason or refusal.description)
    failure = ProviderMisconfigured if status in KEY_STATUSES or foreign else ProviderRejected
    raise failure(dialect.provider, call, words, http_status=status, reason=refusal.reason)
