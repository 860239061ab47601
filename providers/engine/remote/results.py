"""Fetches what an engine has made: from its hosts only, without our key, bounded, and sniffed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import filetype

from providers.engine.remote import (
    Charged,
    Downloaded,
    Failed,
    Fetch,
    MediaType,
    Problem,
    Trouble,
    Unanswered,
)
from providers.fetch import FetchFailed, FetchRefused, Guard, Home, fetch

MAX_BYTES: dict[MediaType, int] = {"video": 100 * 1024 * 1024, "image": 20 * 1024 * 1024}
DEADLINE_SECONDS = 120.0


class Results:
    """Where the files of one engine come from.

    hosts: names of its file servers, with all below them. home: its own API, as the settings say,
    which may be on this machine or in the cellar.
    """

    def __init__(
        self, hosts: tuple[str, ...], home: Home, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        # Without hosts only the home is left: every name is below none.
        self._guard = Guard(hosts=hosts or ("invalid",), home=home)
        self._deadline_seconds = deadline_seconds

    def fetch(self, url: str, target: Path, media_type: MediaType, *, charged: Charged) -> Fetch:
        """Copy a file to `target`; when it fails there is none. charged: for a failure."""
        outcome = self._copy(url, target, media_type, charged)
        if not isinstance(outcome, Downloaded):
            with suppress(FileNotFoundError):
                target.unlink()
        return outcome

    def _copy(self, url: str, target: Path, media_type: MediaType, charged: Charged) -> Fetch:
        try:
            with target.open("wb") as file:
                fetched = fetch(
                    url,
                    file,
                    max_bytes=MAX_BYTES[media_type],
                    deadline_seconds=self._deadline_seconds,
                    guard=self._guard,
                )
        except FetchFailed as error:
            return Unanswered(Problem(Trouble.INFRASTRUCTURE, "fetch_failed", str(error)))
        except FetchRefused as error:
            problem = Problem(Trouble.NO_RESULT, error.code, "the result cannot be fetched")
            return Failed(problem, charged)
        kind = filetype.guess_mime(str(target)) if fetched.size else None
        if kind is None or not kind.startswith(f"{media_type}/"):
            words = f"{fetched.size} bytes of {kind or 'no known kind'}"
            return Failed(Problem(Trouble.NO_RESULT, "wrong_file", words), charged)
        return Downloaded(kind, fetched.size)
