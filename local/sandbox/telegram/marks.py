"""What the parsers of HTML and Markdown make of a text: plain characters and marks over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class MarkupError(ValueError):
    """The text is not well-formed; the message is the server's own, after its prefix."""


@dataclass(frozen=True)
class Mark:
    """A part of the plain text, [start, end) in characters; `more` are the entity's own fields."""

    kind: str
    start: int
    end: int
    more: dict[str, Any] = field(default_factory=dict)


def byte_offset(text: str, index: int) -> int:
    """Where a character begins in UTF-8, as the server's messages say it."""
    return len(text[:index].encode())
