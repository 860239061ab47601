"""Edits of what an operator has seen: whoever saves second is told that it is not so any more."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

CHANGED = "somebody else has changed it meanwhile: look at it again"


def of(row: tuple[Any, ...]) -> str:
    """What a form keeps of the row that it shows."""
    return sha256("\x1f".join(map(str, row)).encode()).hexdigest()[:16]


def require(row: tuple[Any, ...], seen: str | None) -> None:
    """ValueError when a row is not the one that was `seen`; None is whoever did not look."""
    if seen is not None and of(row) != seen:
        raise ValueError(CHANGED)
