"""Lists as files of CSV: so many rows and no more, kept in the audit, harmless in a spreadsheet.

As a Russian spreadsheet writes them: semicolons between cells, a comma in a number.
"""

from __future__ import annotations

import csv
import io
import re
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
# A spreadsheet runs a cell that begins like this as a formula; people choose their own names. Some
# take a semicolon for the beginning of a cell, also within quotes.
_FORMULA = re.compile(r"(^|[;,\t\r\n])(?=[=+\-@\t\r])")
BOM = "\ufeff"  # without it, Excel takes UTF-8 for the code page of the machine


@dataclass(frozen=True)
class Export:
    """A list as a file: the titles of its columns by the fields of its rows, and how a page of rows
    is read from a cursor on.
    """

    name: str
    columns: dict[str, str]
    page: Callable[[str | None, int], Page[Any]]


def answer(export: Export) -> Response:
    """The file, sent page by page; no connection is held while somebody downloads slowly.

    Filters that make no sense are refused before its first byte.
    """
    first = export.page(None, AT_ONCE)
    return Response(
        stream_with_context(_lines(export, first)),
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
        case int():
            return str(value)
        case Decimal():
            return str(value).replace(".", ",")
        case datetime():
            return moscow(value)
    return _FORMULA.sub(r"\1'", str(value))


def _lines(export: Export, page: Page[Any]) -> Iterator[str]:
    yield BOM + _line(list(export.columns.values()))
    left = MOST_ROWS
    while True:
        for row in page.rows:
            yield _line([cell(getattr(row, name)) for name in export.columns])
        left -= len(page.rows)
        if page.next_cursor is None:
            return
        if left <= 0:
            yield _line([business_texts.first_rows_only(MOST_ROWS)])
            return
        page = export.page(page.next_cursor, min(AT_ONCE, left))


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerow(cells)
    return text.getvalue()
