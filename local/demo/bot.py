"""The demo's API client, which prints a line about each call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
import requests

PATH_WIDTH = 36
UUID = re.compile(r"([0-9a-f]{8})-[0-9a-f-]{27}")


class SurpriseError(Exception):
    """Something did not go as the story expects."""


class Bot:
    """A client of the API: sends the key and prints a line about each call."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base = base_url
        self._key = key
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for loopback

    def call(
        self, method: str, path: str, expect: int, meaning: Callable[[Any], str], **options: Any
    ) -> Any:
        """Send a request and print the `meaning` of its JSON. SurpriseError."""
        headers = {"X-API-Key": self._key, **options.pop("headers", {})}
        answer = self.plain(method, f"{self._base}{path}", expect, headers=headers, **options)
        body = answer.json()
        replayed = "Idempotency-Replayed" in answer.headers
        say(method, path, expect, meaning(body) + (", replayed" if replayed else ""))
        return body

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a 200 without printing anything. SurpriseError."""
        headers = {"X-API-Key": self._key}
        return self.plain("GET", f"{self._base}{path}", 200, headers=headers, **options)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST for a 200 without printing anything. SurpriseError."""
        headers = {"X-API-Key": self._key}
        return self.plain("POST", f"{self._base}{path}", 200, headers=headers, json=body).json()

    def plain(self, method: str, url: str, *expect: int, **options: Any) -> requests.Response:
        """Send a request without the key, as signed links and forms need none. SurpriseError."""
        answer = self._session.request(method, url, timeout=30, **options)
        insist(
            answer.status_code in expect,
            f"{method} {url} answered {answer.status_code}, not {expect}: {answer.text[:500]}",
        )
        return answer


def say(method: str, path: str, status: int | str, meaning: str) -> None:
    """Print one step of the story as one line."""
    short = UUID.sub(r"\1…", path)
    short = short if len(short) <= PATH_WIDTH else f"{short[: PATH_WIDTH - 1]}…"
    click.echo(f"{method:<5}  {short:<{PATH_WIDTH}}  {status:<4}  {meaning}")


def insist(fact: bool, surprise: str) -> None:
    """SurpriseError unless `fact`."""
    if not fact:
        raise SurpriseError(surprise)
