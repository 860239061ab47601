"""Lists, newest first, in pages that stay correct while rows are added."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, bindparam
from sqlalchemy.orm import InstrumentedAttribute

from db import Reader, Record, Statement
from errors import ApiError
from services import users


@dataclass(frozen=True)
class Page:
    """Rows of one page and the cursor of the next, None on the last."""

    rows: list[Record]
    next_cursor: str | None


class Listing:
    """One list: its statements are built once, as building one costs more than running it.

    query: columns of the rows, `number` among them: a column that only grows. Its parameters are
    named at each call; `owner_id` is the user whose list it is.
    """

    def __init__(self, query: Select[Any], number: InstrumentedAttribute[int]) -> None:
        # NULLS LAST matches the (owner, number) indexes but not the unique index on number, with
        # which the planner might scan everybody's rows for the newest of one owner.
        newest = number.desc().nulls_last()
        ordered = query.order_by(newest).limit(bindparam("rows", type_=Integer))
        self._number = number.key
        self._first_page = Statement(ordered)
        self._next_page = Statement(ordered.where(number < bindparam("before", type_=BigInteger)))

    def page(self, reader: Reader, *, limit: int, cursor: str | None, **parameters: Any) -> Page:
        """One page. ApiError `bad_request` for a cursor that no page gave out.

        An empty first page of `owner_id` is checked against the users: ApiError `user_not_found`.
        """
        parameters["rows"] = limit + 1
        if cursor is None:
            rows = self._first_page.all(reader, **parameters)
        else:
            rows = self._next_page.all(reader, before=decoded(cursor), **parameters)
        if not rows and "owner_id" in parameters:
            users.require(reader, parameters["owner_id"])
        more = len(rows) > limit
        shown = list(rows[:limit])
        return Page(shown, encoded(getattr(shown[-1], self._number)) if more else None)


def encoded(number: int) -> str:
    """A place in a list as an opaque cursor."""
    return urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def decoded(cursor: str) -> int:
    """The place a cursor stands for. ApiError `bad_request` when no page gave it out."""
    try:
        number = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii"))
    except ValueError:
        number = 0
    if not 0 < number < 2**63:
        raise ApiError("bad_request", details={"cursor": "is not a cursor of this list"})
    return number
