"""`requests` sessions without surprises: no .netrc, no cookies, small responses, in time."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

MAX_ANSWER_BYTES = 1024 * 1024
MOST_RETRY_AFTER_SECONDS = 86_400.0
USER_AGENT = "livephoto/1"


def new_session(authorization: str | None, connections: int) -> requests.Session:
    """A session that sends `authorization` and keeps only connections between calls."""
    session = requests.Session()
    session.auth = _Authorization(authorization)
    session.headers["User-Agent"] = USER_AGENT
    # Cookies are state that threads would share; no payment API needs them.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    return session


def read_body(
    response: requests.Response, deadline: float, max_bytes: int = MAX_ANSWER_BYTES
) -> bytes:
    """The body, small and before `deadline` (time.monotonic); RequestException otherwise.

    The read timeout of requests starts again with each packet.
    """
    body = bytearray()
    while packet := response.raw.read1(64 * 1024, decode_content=True):
        body += packet
        if len(body) > max_bytes:
            raise requests.exceptions.ContentDecodingError("response too large")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("response too slow")
    return bytes(body)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`, its fractions exact; None for anything else."""
    try:
        answer = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def retry_after(response: requests.Response) -> float | None:
    """Seconds of the Retry-After header, a day at most; a date counts from the response's Date
    (RFC 9110).
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(float(value), MOST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
        gap = moment - parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return min(max(gap.total_seconds(), 0.0), MOST_RETRY_AFTER_SECONDS)


class _Authorization(AuthBase):
    """Passed to requests as `auth`, so that the machine's .netrc cannot replace the header."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value is not None:
            request.headers["Authorization"] = self._value
        return request
