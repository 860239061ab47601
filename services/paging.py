"""Lists, newest first, in pages that stay correct while rows are added."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    bindparam,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute

from db import Reader
from db.statements import Statement
from db.types import UtcDateTime
from errors import ApiError
from services import users

R = TypeVar("R", bound=NamedTuple)

NO_CURSOR = "is not a cursor of this list"
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


class Filtered(Generic[R]):
    """One list of the operator's, newest first, narrowed by any of its filters.

    query: the fields of `row`, those of `order` among them: the columns that the list is in the
    order of, together unique, each with how its text is read. filters: a condition for each name,
    which may have a parameter of that name. A statement is built the first time that its filters
    come together.
    """

    def __init__(
        self,
        row: type[R],
        query: Select[Any],
        order: Mapping[InstrumentedAttribute[Any], Callable[[str], Any]],
        **filters: ColumnElement[bool],
    ) -> None:
        self._row = row
        self._filters = filters
        self._order = {column.key: read for column, read in order.items()}
        self._ordered = query.order_by(*(column.desc() for column in order)).limit(
            bindparam("rows", type_=Integer)
        )
        self._later = tuple_(*order) < tuple_(
            *(bindparam(f"before_{column.key}", type_=column.type) for column in order)
        )
        self._statements: dict[frozenset[str], Statement[..., R]] = {}

    def page(self, reader: Reader, *, limit: int, cursor: str | None, **given: Any) -> Page[R]:
        """One page of the rows that satisfy every filter given, without those that are None.

        ApiError `bad_request` for a cursor that no page gave out. TypeError for a name that is no
        filter of this list: left out, it would show everybody's rows.
        """
        if unknown := given.keys() - self._filters.keys():
            raise TypeError(f"no filters of this list: {', '.join(sorted(unknown))}")
        values = {name: value for name, value in given.items() if value is not None}
        if cursor is not None:
            values |= self._decoded(cursor)
        statement = self._statement(frozenset(values))
        needed = {name: value for name, value in values.items() if name in statement.keys}
        rows = statement.all(reader, rows=limit + 1, **needed)
        shown = rows[:limit]
        return Page(shown, self._encoded(shown[-1]) if len(rows) > limit else None)

    def _statement(self, names: frozenset[str]) -> Statement[..., R]:
        known = self._statements.get(names)
        if known is None:
            conditions = [condition for name, condition in self._filters.items() if name in names]
            if not names.isdisjoint(f"before_{key}" for key in self._order):
                conditions.append(self._later)
            known = Statement(self._row, self._ordered.where(*conditions))
            self._statements[names] = known
        return known

    def _encoded(self, row: R) -> str:
        values = (getattr(row, key) for key in self._order)
        return _opaque(
            " ".join(x.isoformat() if isinstance(x, datetime) else str(x) for x in values)
        )

    def _decoded(self, cursor: str) -> dict[str, Any]:
        try:
            written = _plain(cursor).split(" ")
            order = self._order.items()
            return {
                f"before_{key}": read(text)
                for (key, read), text in zip(order, written, strict=True)
            }
        except ValueError:
            raise ApiError("bad_request", details={"cursor": NO_CURSOR}) from None


def period(created_at: InstrumentedAttribute[datetime]) -> dict[str, ColumnElement[bool]]:
    """The filters of lists in the order of time: `since` this moment, and `until` before that."""
    return {
        "since": created_at >= bindparam("since", type_=UtcDateTime),
        "until": created_at < bindparam("until", type_=UtcDateTime),
    }


def number(text: str) -> int:
    """The number of a row. ValueError for a text that is none."""
    found = int(text)
    if not 0 < found < 2**63:
        raise ValueError("no number of a row")
    return found


def moment(text: str) -> datetime:
    """A time with its zone. ValueError for a text that is none."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no zone")
    try:
        return found.astimezone(UTC)
    except OverflowError as beyond:
        raise ValueError("no time that there is") from beyond


def encoded(value: int) -> str:
    """A whole number, of a row or an offset, as an opaque cursor."""
    return _opaque(str(value))


def decoded(cursor: str) -> int:
    """The number that a cursor stands for. ApiError `bad_request` when no page gave it out."""
    try:
        return number(_plain(cursor))
    except ValueError:
        raise ApiError("bad_request", details={"cursor": NO_CURSOR}) from None


def _opaque(plain: str) -> str:
    return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _plain(cursor: str) -> str:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
