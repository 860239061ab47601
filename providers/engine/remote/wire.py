"""How adapters talk to a provider: failures become values, and a create is sent once.

The sorting of a create's outcome is here, for all of them: see docs/adr/0015.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import requests
from urllib3.filepost import encode_multipart_formdata

from providers.dialects import Answer, Dialect, Refusal
from providers.engine.remote import (
    Accepted,
    Ambiguous,
    Create,
    Gone,
    Health,
    Money,
    NotAccepted,
    NotSent,
    Poll,
    Problem,
    Trouble,
    Unanswered,
    Uploaded,
)
from providers.failures import ProviderError, ProviderUnavailable, ProviderUnreached
from providers.http import Patience, Transport

# Seconds. One try at an upload of 2 MB over a slow line must fit into read_seconds.
PATIENCE = Patience(connect_seconds=5.0, read_seconds=20.0, total_seconds=45.0, at_once=16)
# After these a create surely did nothing. All others, 408, 409 and redirects too, prove nothing.
REFUSING = frozenset({400, 401, 402, 403, 404, 413, 422, 429})
JSON = {"Content-Type": "application/json"}
LIST_BYTES = 16 * 1024 * 1024  # a page of a hundred runs with their input and logs

UNREADABLE = (
    *(KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError),
    RecursionError,
)
CLOCKS_APART_SECONDS = 60
MOST_MEASURED = 1_000_000  # seconds, units or rubles; more is no bill but nonsense
ADDRESS_LENGTH = 8192

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
_PERCENT = re.compile(r"(\d{1,3})%\|")  # a progress bar of tqdm
_BY_STATUS = {
    401: Trouble.AUTH,
    402: Trouble.CREDIT,
    403: Trouble.AUTH,
    413: Trouble.INPUT,
    415: Trouble.INPUT,
    429: Trouble.BUSY,
}


@dataclass(frozen=True)
class Failure:
    """A call without an answer of use. status: of HTTP, None without one. sent: see NotSent."""

    problem: Problem
    status: int | None
    sent: bool


# What a provider's code and words mean, where its status alone misleads; None: by the status.
Judge = Callable[[int | None, str, str], Trouble | None]


class Wire:
    """One host of a provider. The transport's dialect names statuses and calls."""

    def __init__(self, transport: Transport, judge: Judge) -> None:
        self._transport = transport
        self._judge = judge

    def get(self, path: str, *, call: str) -> Answer | Failure:
        """Read something, once: whoever asks will ask again, and no thread should wait for it."""
        try:
            return self._transport.ask("GET", path, call=call)
        except ProviderError as error:
            return self._failure(error)

    def listed(self, path: str) -> Answer | Problem:
        """Read a page of a list of runs, whose minutes mean the same to both sides."""
        answer = self.get(path, call="list")
        if isinstance(answer, Failure):
            return answer.problem
        return _clocks_differ(answer) or answer

    def act(
        self,
        verb: str,
        path: str,
        *,
        call: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Failure:
        """Do something that may be done twice; repeated a few times when there is no answer."""
        try:
            return self._transport.ask(
                verb, path, call=call, body=body, headers=headers, repeatable=True
            )
        except ProviderError as error:
            return self._failure(error)

    def create(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Create, Answer | None]:
        """Order a run with one request; `key` of the answer is its id."""
        try:
            answer = self._transport.ask(
                "POST",
                path,
                call="create",
                body=json.dumps(body).encode(),
                headers={**JSON, **(headers or {})},
                fresh=True,
            )
        except ProviderError as error:
            return _outcome(self._failure(error)), None
        if not known_id(answer.body.get(key)):
            return Ambiguous(Problem(Trouble.INFRASTRUCTURE, "no_id", "no id of a run")), answer
        return Accepted(answer.body[key]), answer

    def _failure(self, error: ProviderError) -> Failure:
        status, code = error.http_status, error.reason
        trouble = self._judge(status, code, error.description) or by_status(status)
        waiting = error.pause_seconds if isinstance(error, ProviderUnavailable) else None
        unsent = isinstance(error, ProviderUnreached)
        if unsent and waiting is not None:
            trouble = Trouble.BUSY  # our own calls fill all slots; it is not the provider's fault
        named = code or (f"HTTP {status}" if status else error.description)
        return Failure(Problem(trouble, named, error.description, waiting), status, not unsent)


def dialect(
    provider: str,
    read_refusal: Callable[[Mapping[str, str], Mapping[str, Any]], Refusal],
    *,
    speechless: frozenset[str] = frozenset(),
) -> Dialect:
    """The protocol of an engine: JSON, no idempotency keys, 201 and 202 are answers too."""

    def read(headers: Mapping[str, str], body: Mapping[str, Any]) -> Refusal:
        refusal = read_refusal(headers, body)
        # Who asks for a pause gets it from the runner, not from a thread that waits.
        asked = refusal.retry_after is not None or "Retry-After" in headers
        return replace(refusal, repeat=False) if asked else refusal

    return Dialect(
        provider=provider,
        content_type="application/json",
        key_header="",
        encode=lambda body: json.dumps(body).encode(),
        read_refusal=read,
        done=frozenset({200, 201, 202}),
        speechless=speechless,
        frequent=frozenset({"poll", "queue"}),
        max_answer_bytes=LIST_BYTES,
    )


def by_status(status: int | None) -> Trouble:
    """What an HTTP status means when the provider adds nothing to it."""
    if status is None or status >= 500 or status == requests.codes.request_timeout:
        return Trouble.INFRASTRUCTURE
    return _BY_STATUS.get(status, Trouble.CONFIG)


def without_upload(failure: Failure) -> NotSent | NotAccepted:
    """An upload that failed. Nothing was ordered, so that all that may pass is NotSent."""
    outcome = _outcome(failure)
    return NotSent(outcome.problem) if isinstance(outcome, Ambiguous) else outcome


def uploaded(reference: Any) -> Uploaded | NotSent:
    """An upload that was answered; without a reference of use it might as well not exist."""
    if isinstance(reference, str) and reference and _is_plain(reference):
        return Uploaded(reference)
    return NotSent(Problem(Trouble.INFRASTRUCTURE, "strange_answer", "no reference to the photo"))


def unpolled(failure: Failure) -> Gone | Unanswered:
    """A poll that failed: 404 is a run that nobody knows, the rest says nothing."""
    if failure.status == requests.codes.not_found:
        return Gone(failure.problem)
    return Unanswered(failure.problem)


def understood(read: Callable[[], Poll]) -> Poll:
    """What `read` makes of an answer; an answer of another shape says nothing."""
    try:
        return read()
    except UNREADABLE as error:
        return Unanswered(strange(error))


def strange(error: Exception) -> Problem:
    """An answer in a shape that its documentation does not have."""
    return Problem(Trouble.INFRASTRUCTURE, "strange_answer", repr(error))


def ids_of(
    items: Iterable[Mapping[str, Any] | Problem],
    name: str,
    is_wanted: Callable[[Mapping[str, Any]], bool],
) -> Iterator[str | Problem]:
    """The ids of the wanted items of a list; a Problem where it breaks off or cannot be read."""
    try:
        for item in items:
            if isinstance(item, Problem):
                yield item
            elif is_wanted(item):
                yield str(item[name])
    except UNREADABLE as error:
        yield strange(error)


def known_id(value: Any) -> bool:
    """Whether this can be an id of a run, harmless in a path."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def path_of(model: str) -> str:
    """owner/name/... of a recipe as a part of a path."""
    return quote(model.strip("/"), safe="/")


def photo_form(field: str, attempt_id: UUID, photo: bytes, **more: str) -> tuple[bytes, str]:
    """A multipart form with a photo named after its attempt; the body and its Content-Type."""
    file = (f"{attempt_id}.jpg", photo, "image/jpeg")
    body, content_type = encode_multipart_formdata({field: file, **more})
    return body, content_type


def first_url(value: Any, *keys: str) -> str | None:
    """The first address in an output: a text, a list, or an object with one of `keys` or `url`."""
    if isinstance(value, str):
        return value if value.startswith(("https://", "http://")) and _is_plain(value) else None
    if isinstance(value, list):
        inner = value
    elif isinstance(value, Mapping):
        inner = [value.get(key) for key in (*keys, "url")]
    else:
        return None
    return next((found for each in inner if (found := first_url(each, *keys))), None)


def mentions(value: Any, text: str) -> bool:
    """Whether a text is among the values of an input, at any depth."""
    if isinstance(value, Mapping):
        return any(mentions(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(mentions(inner, text) for inner in value)
    return isinstance(value, str) and value == text


def quantity(value: Any) -> Decimal | None:
    """A number a provider measured, if it is one that can be billed."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    return number if number.is_finite() and 0 <= number <= MOST_MEASURED else None


def with_balance(amount: Any, currency: str) -> Health:
    """Health with a balance, if there is one; without any money no order is accepted."""
    balance = quantity(amount)
    if balance is None:
        return Health()
    problem = None if balance else Problem(Trouble.CREDIT, "no_balance")
    return Health(problem, Money(balance, currency))


def percent(logs: Any) -> int | None:
    """How far the last progress bar in a log is; 99 at most, as only a file is the end."""
    shown = _PERCENT.findall(logs) if isinstance(logs, str) else []
    return min(int(shown[-1]), 99) if shown else None


def _is_plain(address: str) -> bool:
    """Whether a row can keep it: no NUL, no half characters, no megabytes."""
    return address.isprintable() and address.isascii() and len(address) <= ADDRESS_LENGTH


def _clocks_differ(answer: Answer) -> Problem | None:
    """A list cannot show that an order is absent when we ask for the wrong minutes of it."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        apart = abs((datetime.now(UTC) - theirs).total_seconds())
    except (TypeError, ValueError):
        return None
    if apart <= CLOCKS_APART_SECONDS:
        return None
    return Problem(Trouble.INFRASTRUCTURE, "clocks_differ", f"their clock says {theirs}")


def _outcome(failure: Failure) -> NotSent | NotAccepted | Ambiguous:
    if not failure.sent:
        return NotSent(failure.problem)
    if failure.status in REFUSING:
        return NotAccepted(failure.problem)
    return Ambiguous(failure.problem)
