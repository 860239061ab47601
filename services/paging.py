"""Lists newest first, in pages that stay true while rows are added."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Select, bindparam, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from db import Reader, Record, Statement
from db.models import User
from errors import ApiError


@dataclass(frozen=True)
class Page:
    """Rows of one page and the cursor of the next, None on the last."""

    rows: list[Record]
    next_cursor: str | None


class Listing:
    """One list: its statements are built once, as making one costs more than running it.

    query: columns of the rows, `number` among them: a column that only grows. Its parameters are
    named at each call; `owner_id` is the user whose list it is.
    """

    def __init__(self, query: Select[Any], number: InstrumentedAttribute[int]) -> None:
        # As the indexes by owner have it, and the one by number alone has not: for an owner of many
        # rows the planner would else walk through those of everybody to find the newest of his.
        newest = number.desc().nulls_last()
        ordered = query.order_by(newest).limit(bindparam("rows", type_=Integer))
        self._number = number.key
        self._first = Statement(ordered)
        self._later = Statement(ordered.where(number < bindparam("before", type_=BigInteger)))

    def page(self, reader: Reader, *, limit: int, cursor: str | None, **parameters: Any) -> Page:
        """One page. ApiError `bad_request` for a cursor that is not ours.

        An empty first page of `owner_id` is checked against the users: ApiError `user_not_found`.
        """
        parameters["rows"] = limit + 1
        if cursor is None:
            rows = self._first.all(reader, **parameters)
        else:
            rows = self._later.all(reader, before=decoded(cursor), **parameters)
        if not rows and "owner_id" in parameters:
            _require_user(reader, parameters["owner_id"])
        more = len(rows) > limit
        shown = list(rows[:limit])
        return Page(shown, encoded(getattr(shown[-1], self._number)) if more else None)


def encoded(number: int) -> str:
    """A place in a list as an opaque cursor."""
    return urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def decoded(cursor: str) -> int:
    """The place a cursor stands for. ApiError `bad_request` when it is not one of ours."""
    try:
        number = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii"))
    except ValueError:
        number = 0
    if not 0 < number < 2**63:
        raise ApiError("bad_request", details={"cursor": "is not a cursor of this list"})
    return number


def _require_user(reader: Reader, user_id: UUID) -> None:
    if not _IS_USER.scalar(reader, user_id=user_id):
        raise ApiError("user_not_found")


_IS_USER = Statement(select(exists().where(User.id == bindparam("user_id"))))
