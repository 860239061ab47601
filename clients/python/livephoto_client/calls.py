"""One call, whoever sends it: its request, its answer, and when it may be sent again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from livephoto_client.generated.refusals import REFUSALS
from livephoto_client.json_values import parsed
from livephoto_client.pages import Page
from livephoto_client.trouble import LivePhotoError, Refusal, UnexpectedAnswer, Unreachable

T = TypeVar("T")

# The request never left, so that repeating it can do nothing twice.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# A passing trouble by its status; `idempotency_in_progress` is one, too.
PASSING = (429, 500, 502, 503, 504)
# Of these the backend says itself that nothing was done.
REFUSED_AT_ONCE = (429, 503)


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return str(uuid.uuid4())


def part(name: str) -> str:
    """One step of a path: whatever it holds, it leads to no other place."""
    return quote(name, safe="")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request of the contract, and how its answer is read.

    path: below /v1, or a whole address that needs no key. repeatable: sending it twice does what
    sending it once does, with its idempotency_key or by itself.
    """

    method: str
    path: str
    # Without one there is no body, and T is None.
    read: Callable[[Any], T] = lambda _: None  # type: ignore[assignment, return-value]
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    form: dict[str, Any] | None = None
    idempotency_key: str | None = None
    repeatable: bool = True
    needs_api_key: bool = True

    def next_page(self, page: Page[Any]) -> Call[T]:
        """The call for the page after this one."""
        query = {name: values[0] for name, values in parse_qs(page.next_query).items()}
        return replace(self, query=query)

    def options(self, api_key: str, timeout: float) -> dict[str, Any]:
        """What httpx needs to send it."""
        headers = dict(self.headers)
        if self.needs_api_key:
            headers["X-API-Key"] = api_key
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        body: dict[str, Any] = {"json": self.content if self.json is None else self.json}
        if self.form is not None:
            fields = {name: value for name, value in self.form.items() if name != "file"}
            body = {"data": fields, "files": {"file": self.form["file"]}}
        # A long poll is silent for as long as it was asked to wait.
        waiting = timeout + float(self.query.get("wait", 0))
        limits = httpx.Timeout(waiting, connect=min(timeout, 10))
        return {"params": self.query, "headers": headers, "timeout": limits, **body}

    def answer(self, response: httpx.Response) -> T:
        """What a successful response says."""
        try:
            value = self.read(parsed(response.content) if response.content else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnexpectedAnswer(response.status_code, f"{error!r}: {response.text}") from error
        if isinstance(value, Page):
            value.next_query = urlsplit(response.links.get("next", {}).get("url", "")).query
        return value


@dataclass(frozen=True)
class Patience:
    """How often a call is sent, and how long it waits in between, seconds."""

    attempts: int = 4
    longest_pause: float = 20.0

    def after_silence(self, call: Call[Any], attempt: int, trouble: httpx.TransportError) -> float:
        """Seconds until the next attempt when no answer came; Unreachable if there must be none."""
        safe = call.repeatable or isinstance(trouble, NOT_SENT)
        if not safe or attempt >= self.attempts:
            raise Unreachable(f"{call.method} {call.path}: {trouble!r}") from trouble
        return self._usual(attempt)

    def after_refusal(self, call: Call[Any], attempt: int, response: httpx.Response) -> float:
        """Seconds until the next attempt after this answer; its exception if there must be none."""
        trouble = trouble_of(response)
        passing = response.status_code in PASSING or _in_progress(trouble)
        safe = call.repeatable or response.status_code in REFUSED_AT_ONCE
        pause = _retry_after(response)
        pause = self._usual(attempt) if pause is None else pause
        if not (passing and safe) or attempt >= self.attempts or pause > self.longest_pause:
            raise trouble
        return pause

    def _usual(self, attempt: int) -> float:
        return min(2.0 ** (attempt - 1), self.longest_pause)


def trouble_of(response: httpx.Response) -> LivePhotoError:
    """The exception for an answer that is not a success."""
    try:
        body = parsed(response.content)
        kind = REFUSALS.get(body["code"], Refusal)
        request_id = response.headers.get("X-Request-ID", "")
        wait = _retry_after(response)
        return kind(response.status_code, body, retry_after=wait, request_id=request_id)
    except (ValueError, KeyError, TypeError):
        return UnexpectedAnswer(response.status_code, response.text)


def _in_progress(trouble: LivePhotoError) -> bool:
    return isinstance(trouble, Refusal) and trouble.code == "idempotency_in_progress"


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


class Sender:
    """What the generated operations need of a client."""

    def _send(self, call: Call[T]) -> T:
        raise NotImplementedError

    def _every(self, call: Call[Page[T]]) -> Iterator[T]:
        while True:
            page = self._send(call)
            yield from page
            if not page.next_query:
                return
            call = call.next_page(page)


class AsyncSender:
    """What the generated operations need of an async client."""

    async def _send(self, call: Call[T]) -> T:
        raise NotImplementedError

    async def _every(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        while True:
            page = await self._send(call)
            for each in page:
                yield each
            if not page.next_query:
                return
            call = call.next_page(page)
