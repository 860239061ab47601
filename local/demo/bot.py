"""The demo's API client, which prints a line about each call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
import requests

from local.client import Client

PATH_WIDTH = 36
UUID = re.compile(r"([0-9a-f]{8})-[0-9a-f-]{27}")


class SurpriseError(Exception):
    """Something did not go as the story expects."""


class Bot:
    """A client of the API: sends the key and prints a line about each call."""

    def __init__(self, url: str, api_key: str) -> None:
        self._client = Client(url, api_key)

    def call(
        self, method: str, path: str, expect: int, meaning: Callable[[Any], str], **options: Any
    ) -> Any:
        """Send a request and print the `meaning` of its JSON. SurpriseError."""
        answer = self.send(method, path, expect, **options)
        body = answer.json()
        replayed = "Idempotency-Replayed" in answer.headers
        say(method, path, expect, meaning(body) + (", replayed" if replayed else ""))
        return body

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a 200 without printing anything. SurpriseError."""
        return self.send("GET", path, 200, **options)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST for a 200 without printing anything. SurpriseError."""
        return self.send("POST", path, 200, json=body).json()

    def send(self, method: str, target: str, *expect: int, **options: Any) -> requests.Response:
        """Send a request to a path of the API, or to a signed link or form. SurpriseError."""
        answer = self._client.send(method, target, **options)
        insist(
            answer.status_code in expect,
            f"{method} {target} answered {answer.status_code}, not {expect}: {answer.text[:500]}",
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
