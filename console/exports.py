"""Lists as files of CSV: so many rows and no more, kept in the audit, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Response, stream_with_context

from console import business_texts, texts
from console.display import moscow
from services.paging import Page

MOST_ROWS = 10_000
AT_ONCE = 500
# A spreadsheet runs a cell that begins like this as a formula; people choose their own names.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
BOM = "\ufeff"  # without it, Excel takes UTF-8 for the code page of the machine


@dataclass(frozen=True)
class Export:
    """A list as a file: its columns, and a page of its rows from a cursor on."""

    name: str
    columns: dict[str, Callable[[Any], object]]
    page: Callable[[str | None, int], Page[Any]]


def answer(export: Export) -> Response:
    """The file, sent page by page; no connection is held while somebody downloads slowly."""
    return Response(
        stream_with_context(_lines(export)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{export.name}.csv"'},
    )


def cell(value: object) -> str:
    """A value as it stands in a file: a text that would be a formula gets an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return texts.YES if value else texts.NO
        case int() | Decimal():
            return str(value)
        case datetime():
            return moscow(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text


def _lines(export: Export) -> Iterator[str]:
    yield BOM + _line(list(export.columns))
    left, cursor = MOST_ROWS, None
    while left > 0:
        page = export.page(cursor, min(AT_ONCE, left))
        yield "".join(_line([cell(of(row)) for of in export.columns.values()]) for row in page.rows)
        left, cursor = left - len(page.rows), page.next_cursor
        if cursor is None:
            return
    yield _line([business_texts.first_rows_only(MOST_ROWS)])


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
