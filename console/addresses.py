"""What is kept in the address of a page: its filters, and how far its list was turned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import abort, g, request

from console import texts
from console.display import MOSCOW
from db import Reader
from services import form_keys
from services.paging import Page

PAGE_ROWS = 50
DONE, CURSOR, TRAIL = "done", "cursor", "trail"
# Pages that one can go back; further back there is the first one.
TRAIL_LENGTH = 40
BETWEEN = "~"  # in no cursor: those of a timeline have dots
_YEARS = range(2000, 3000)


@dataclass(frozen=True)
class Listing:
    """Rows of a list, and where the next and the previous ones are; None where there are none."""

    rows: Sequence[Any]
    next_address: str | None
    back_address: str | None

    @property
    def count(self) -> str:
        """How many rows are here; `+` says that there are more, which nobody counts."""
        return f"{len(self.rows)}{'+' if self.next_address else ''}"


def listing(page: Page[Any]) -> Listing:
    """A page of a list, with the addresses of its neighbours.

    A list knows its next page only, so the address remembers those that one came from.
    """
    trail = [each for each in request.args.get(TRAIL, "").split(BETWEEN) if each]
    here = request.args.get(CURSOR)
    further = None
    if page.next_cursor is not None:
        behind = [*trail, here or "-"][-TRAIL_LENGTH:]
        further = link(**{CURSOR: page.next_cursor, TRAIL: BETWEEN.join(behind)})
    back = None
    if here is not None:
        *before, last = trail or ["-"]
        back = link(**{CURSOR: None if last == "-" else last, TRAIL: BETWEEN.join(before) or None})
    return Listing(page.rows, further, back)


def whole(rows: Sequence[Any]) -> Listing:
    """A list that is one page."""
    return Listing(rows, None, None)


def cursor() -> str | None:
    """Where the list of this page begins."""
    return request.args.get(CURSOR)


def chosen(name: str, choices: Collection[str]) -> str | None:
    """A filter that is one of `choices`, None where it is not used. 400 for anything else."""
    value = request.args.get(name) or None
    if value is not None and value not in choices:
        abort(400, texts.NOT_A_CHOICE)
    return value


def typed(name: str, longest: int = 200) -> str | None:
    """A filter that is typed, None where it is not used. 400 for one that nobody types."""
    value = request.args.get(name, "").strip() or None
    if value is not None and (len(value) > longest or not value.isprintable()):
        abort(400, texts.too_long(longest))
    return value


def day(name: str, *, end: bool = False) -> datetime | None:
    """The beginning of a day in Moscow, or with `end` that of the next one. 400 for no date."""
    text = request.args.get(name) or None
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        abort(400, texts.NOT_A_DAY)
    if found.year not in _YEARS:
        abort(400, texts.NOT_A_DAY)
    begun = datetime(found.year, found.month, found.day, tzinfo=MOSCOW)
    return begun + timedelta(days=1) if end else begun


def filters_query() -> str:
    """The filters of this page, as they stand in its address."""
    return link(**{CURSOR: None, TRAIL: None}).partition("?")[2]


def link(**changes: str | None) -> str:
    """This page with another cursor or filter; None takes one away."""
    kept = request.args.to_dict() | changes
    kept.pop(DONE, None)
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"{request.path}?{query}" if query else request.path


def with_result(address: str, key: str) -> str:
    """An address at which the result of a form is shown."""
    parts = urlsplit(address)
    query = "&".join(filter(None, [parts.query, urlencode({DONE: key})]))
    return urlunsplit(parts._replace(query=query))


def result(reader: Reader) -> str | None:
    """What the form said whose key is in the address."""
    key = request.args.get(DONE, "")
    if not key.isprintable() or g.get("operator") is None:
        return None
    sent = form_keys.find(reader, key, g.operator.operator_id)
    return sent and (sent.said or texts.NOT_ENDED)
