"""What a call may raise. `Refusal` has a subclass for each code, in `generated/refusals.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LivePhotoError(Exception):
    """The call did not succeed."""


class Unreachable(LivePhotoError):
    """No answer came, and no further attempt is allowed; nobody knows whether the call had effect.

    Repeat it later with the same arguments and the same `idempotency_key`.
    """


class UnexpectedAnswer(LivePhotoError):
    """An answer that the contract does not know, such as the page of a proxy in between."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text[:300]}")
        self.status = status


class EventNotVerified(LivePhotoError):
    """The event was not signed with one of the secrets, or its time is too far from ours."""


class Refusal(LivePhotoError):
    """The backend refused, and said why.

    code: from the closed list of the contract. message: for programmers. user_message: a Russian
    sentence that can be shown to a person as it is. retry_after: seconds, where the backend said
    when to try again. request_id: by it the request is found in the server's log.
    """

    def __init__(
        self,
        status: int,
        body: Mapping[str, Any],
        *,
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        self.status = status
        self.code: str = body["code"]
        self.message: str = body["message"]
        self.user_message: str = body.get("userMessage", "")
        self.details: Mapping[str, Any] = body.get("details", {})
        self.retry_after = retry_after
        self.request_id = request_id
        super().__init__(f"{status} {self.code}: {self.message}")

    def __str__(self) -> str:
        details = f" {dict(self.details)}" if self.details else ""
        return f"{self.status} {self.code}: {self.message}{details} (request {self.request_id})"
