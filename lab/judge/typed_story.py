"""What the steps of story.py have in common: each answer is an object of its class."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from generated_client.models import Error
from generated_client.types import Response

PATIENCE_SECONDS = 120
POLL_SECONDS = 0.3

T = TypeVar("T")


class Typed:
    """Counts answers and refusals that the client has parsed."""

    def __init__(self) -> None:
        self.answers = self.refusals = 0

    def got(self, answer: Response[T | Error], status: int, kind: type[T]) -> T:
        """The parsed body, of the class that the contract names. AssertionError."""
        found = answer.parsed
        assert answer.status_code == status, (answer.status_code, answer.content)
        assert isinstance(found, kind), found
        self.answers += 1
        return found

    def refused(self, answer: Response[T | Error], status: int, code: str) -> Error:
        """The parsed refusal. AssertionError."""
        found = answer.parsed
        assert isinstance(found, Error), found
        assert (answer.status_code, found.code) == (status, code), answer.content
        assert found.message
        self.refusals += 1
        return found

    def got_list(self, answer: Response[list[T] | Error], kind: type[T]) -> list[T]:
        """The parsed list, each item of the class the contract names. AssertionError."""
        found = answer.parsed
        assert isinstance(found, list), (answer.status_code, answer.content)
        assert all(isinstance(item, kind) for item in found), found
        self.answers += 1
        return found


def wait_until(fact: Callable[[], bool]) -> None:
    """Wait for a fact. AssertionError when it does not become true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(POLL_SECONDS)
