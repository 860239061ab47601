"""Whether an address of ours answers strangers, for `cli.py doctor`."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests

from providers import outside
from providers.sessions import new_session, read_body

TIMES = (3.0, 5.0)  # to connect, and between packets, seconds
MOST_SECONDS = 8.0


@dataclass(frozen=True)
class Probe:
    """An answer. ahead_seconds: how far our clock is before the one in its Date header."""

    status: int
    ahead_seconds: float | None


def ask(url: str) -> Probe:
    """GET it once, as anybody could. OSError when nothing answers in time."""
    outside.leave("a probe")
    with (
        new_session(None, 1) as session,
        closing(session.get(url, timeout=TIMES, stream=True, allow_redirects=False)) as answer,
    ):
        read_body(answer, time.monotonic() + MOST_SECONDS)
        return Probe(answer.status_code, _ahead(answer))


def _ahead(answer: requests.Response) -> float | None:
    try:
        return time.time() - parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
