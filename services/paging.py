"""Lists, newest first, in pages that stay correct while rows are added."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, BindParameter, Integer, Select, Uuid, bindparam
from sqlalchemy.orm import InstrumentedAttribute

from db import Reader
from db.statements import Statement
from errors import ApiError
from services import users

R = TypeVar("R", bound=NamedTuple)

OWNER: BindParameter[UUID] = bindparam("owner_id", type_=Uuid)


@dataclass(frozen=True)
class Page(Generic[R]):
    """Rows of one page and the cursor of the next, None on the last."""

    rows: list[R]
    next_cursor: str | None


class Listing(Generic[R]):
    """One list: its statements are built once, as building one costs more than running it.

    query: the fields of `row`, `number` among them: a column that only grows. It may have the
    parameter OWNER, the user whose list it is.
    """

    def __init__(
        self, row: type[R], query: Select[Any], number: InstrumentedAttribute[int]
    ) -> None:
        # NULLS LAST matches the (owner, number) indexes but not the unique index on number, with
        # which the planner might scan everybody's rows for the newest of one owner.
        newest = number.desc().nulls_last()
        ordered = query.order_by(newest).limit(bindparam("rows", type_=Integer))
        later = ordered.where(number < bindparam("before", type_=BigInteger))
        self._number = number.key
        self._first_page: Statement[..., R] = Statement(row, ordered)
        self._next_page: Statement[..., R] = Statement(row, later)

    def page(
        self, reader: Reader, *, limit: int, cursor: str | None, owner_id: UUID | None = None
    ) -> Page[R]:
        """One page. ApiError `bad_request` for a cursor that no page gave out.

        An empty first page of `owner_id` is checked against the users: ApiError `user_not_found`.
        """
        of_owner = {} if owner_id is None else {"owner_id": owner_id}
        if cursor is None:
            rows = self._first_page.all(reader, rows=limit + 1, **of_owner)
        else:
            before = decoded(cursor)
            rows = self._next_page.all(reader, rows=limit + 1, before=before, **of_owner)
        if not rows and owner_id is not None:
            users.require(reader, owner_id)
        more = len(rows) > limit
        shown = rows[:limit]
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
