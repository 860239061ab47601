"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Page(list[T]):
    """One page of a list; `next_query` asks for the next one and is empty on the last."""

    next_query: str = ""


def page_of(read: Callable[[Any], T]) -> Callable[[Any], Page[T]]:
    """A reader of pages from one of items."""
    return lambda raw: Page(map(read, raw))
