"""JSON over HTTP to providers: time limits, safe retries, one log line per call.

No header, body or URL is ever logged or put into an error: they contain keys and customer data.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import tenacity
from urllib3.exceptions import HTTPError, NewConnectionError

from providers import outside
from providers.dialects import Answer, Dialect, understand
from providers.failures import (
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    ProviderUnreached,
)
from providers.sessions import new_session, read_body
from telemetry import metrics, tracing

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Limits of one call, seconds. total_seconds covers all attempts and the pauses between them.

    at_once: concurrent calls of one process to one provider; a hanging provider must not occupy
    every thread of the server. A call that gets no slot within room_seconds is refused, to be
    retried later.
    """

    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    total_seconds: float = 12.0
    tries: int = 3
    first_pause_seconds: float = 0.25
    at_once: int = 4
    room_seconds: float = 0.5


class Transport:
    """One provider's API at one base URL. Safe to share between threads; create it after a fork.

    authorization: the whole value of the Authorization header, None if the key is elsewhere
    (Telegram's is in base_url). Every call raises ProviderUnavailable, ProviderRejected or
    ProviderMisconfigured.
    """

    def __init__(
        self,
        dialect: Dialect,
        base_url: str,
        *,
        authorization: str | None,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._dialect = dialect
        self._base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        self._room = threading.BoundedSemaphore(self._patience.at_once)
        self._authorization = authorization
        self._headers = dict(headers or {})
        self._session = self._open_session(self._patience.at_once)

    def get(self, path: str, *, call: str) -> dict[str, Any]:
        """The JSON object at `path`; `call` names it in logs and errors."""
        return self.ask("GET", path, call=call, repeatable=True).body

    def post(
        self, path: str, body: Mapping[str, Any], *, call: str, key: str | None
    ) -> dict[str, Any]:
        """The JSON object a POST returns. Retried only with a key: then it acts once."""
        headers = {"Content-Type": self._dialect.content_type}
        if key is not None:
            headers[self._dialect.key_header] = key
        encoded = self._dialect.encode(body)
        return self.ask(
            "POST", path, call=call, body=encoded, headers=headers, repeatable=key is not None
        ).body

    def ask(
        self,
        verb: str,
        path: str,
        *,
        call: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        fresh: bool = False,
    ) -> Answer:
        """Any request. repeatable: whether it may be sent again when nobody knows what it did.

        fresh: on a connection of its own, which cannot have been closed a moment ago.
        """
        return self._send(_Request(verb, path, call, body, headers or {}, repeatable, fresh))

    def _open_session(self, connections: int) -> requests.Session:
        session = new_session(self._authorization, connections)
        session.headers.update(self._headers)
        return session

    @contextmanager
    def _session_for(self, request: _Request) -> Iterator[requests.Session]:
        if not request.fresh:
            yield self._session
            return
        with self._open_session(1) as session:
            yield session

    def _send(self, request: _Request) -> Answer:
        outside.leave(f"{self._dialect.provider} {request.call}")
        started = time.monotonic()
        tries = 0

        def attempt() -> Answer:
            nonlocal tries
            tries += 1
            left = started + self._patience.total_seconds - time.monotonic()
            return self._attempt(request, max(left, 0.1))

        status: int | None = requests.codes.ok
        failure: ProviderError | None = None
        about = {"livephoto.provider": self._dialect.provider}
        try:
            with tracing.inner(request.call, about, client=True), self._take_room(request):
                return self._retrying(request)(attempt)
        except ProviderError as error:
            status, failure = error.http_status, error
            raise
        finally:
            seconds = time.monotonic() - started
            self._log(request, status, failure, seconds, tries)
            self._count(request, failure, seconds)

    def _retrying(self, request: _Request) -> tenacity.Retrying:
        def again(error: BaseException) -> bool:
            return request.repeatable and isinstance(error, ProviderUnavailable) and error.repeat

        jitter = tenacity.wait_random_exponential(self._patience.first_pause_seconds, max=2)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.pause_seconds if isinstance(error, ProviderUnavailable) else None
            return (asked or 0) + jitter(state)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(again),
            stop=tenacity.stop_after_attempt(self._patience.tries)
            | tenacity.stop_before_delay(self._patience.total_seconds),
            wait=pause,
            reraise=True,
        )

    def _attempt(self, request: _Request, seconds: float) -> Answer:
        limits = (
            min(self._patience.connect_seconds, seconds),
            min(self._patience.read_seconds, seconds),
        )
        try:
            with (
                self._session_for(request) as session,
                session.request(
                    request.verb,
                    self._base_url + request.path,
                    data=request.body or None,
                    headers=request.headers,
                    timeout=limits,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                deadline = time.monotonic() + seconds
                body = read_body(response, deadline, self._dialect.max_answer_bytes)
        except (requests.RequestException, HTTPError, OSError) as problem:
            # Without its cause: the text of a requests exception contains the URL.
            kind = ProviderUnreached if _surely_unsent(problem) else ProviderUnavailable
            raise kind(self._dialect.provider, request.call, type(problem).__name__) from None
        return understand(self._dialect, request.call, response, body)

    @contextmanager
    def _take_room(self, request: _Request) -> Iterator[None]:
        if not self._room.acquire(timeout=self._patience.room_seconds):
            raise ProviderUnreached(
                self._dialect.provider, request.call, "too many calls at once", retry_after=2
            )
        try:
            yield
        finally:
            self._room.release()

    def _log(
        self,
        request: _Request,
        status: int | None,
        failure: ProviderError | None,
        seconds: float,
        tries: int,
    ) -> None:
        level = logging.INFO if failure is None else logging.WARNING
        if failure is None and request.call in self._dialect.frequent:
            level = logging.DEBUG
        if isinstance(failure, ProviderMisconfigured):
            level = logging.ERROR
        facts = {
            "provider": self._dialect.provider,
            "call": request.call,
            "status": status,
            "ms": round(seconds * 1000),
            "tries": tries,
        }
        if failure is not None:
            facts |= {"reason": failure.reason, "description": failure.description}
        logger.log(level, "provider call", extra=facts)

    def _count(self, request: _Request, failure: ProviderError | None, seconds: float) -> None:
        outcome = "ok"
        if isinstance(failure, ProviderUnavailable):
            outcome = "unanswered" if failure.http_status is None else "error"
        elif failure is not None:
            outcome = "refused"
        metrics.provider_calls.add(self._dialect.provider, request.call, outcome)
        metrics.provider_call_seconds.observe(seconds, self._dialect.provider, request.call)


@dataclass(frozen=True)
class _Request:
    verb: str
    path: str
    call: str
    body: bytes
    headers: Mapping[str, str]
    repeatable: bool
    fresh: bool


def _surely_unsent(problem: Exception) -> bool:
    """Whether a request cannot have reached the provider.

    A connection that broke later is a ConnectionError too, and a TLS handshake that hangs looks
    like an answer that does: all that is not one of these proves nothing.
    """
    if isinstance(problem, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    reason = getattr(problem.args[0], "reason", None) if problem.args else None
    if isinstance(reason, NewConnectionError):  # refused, or the name does not resolve
        return True
    cause = reason.args[0] if isinstance(reason, HTTPError) and reason.args else None
    return isinstance(cause, ssl.SSLCertVerificationError)
