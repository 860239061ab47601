"""Lists newest first, in pages that stay true while rows are added."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import User
from errors import ApiError

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of one page and the cursor of the next, None on the last."""

    rows: list[Row]
    next_cursor: str | None


def page(
    session: Session,
    query: Select[Row],
    number: InstrumentedAttribute[int],
    *,
    limit: int,
    cursor: str | None,
    owner_id: UUID | None = None,
) -> Page[Row]:
    """One page of `query` by descending `number`, a column that only grows.

    An empty first page of `owner_id` is checked against the users: ApiError `user_not_found`.
    ApiError `bad_request` for a cursor that is not ours.
    """
    if cursor is not None:
        query = query.where(number < decoded(cursor))
    # As the indexes by owner have it, and the one by number alone has not: for an owner of many
    # rows the planner would else walk through those of everybody to find the newest of his.
    newest = number.desc().nulls_last()
    rows = list(session.scalars(query.order_by(newest).limit(limit + 1)))
    if not rows and owner_id is not None:
        _require_user(session, owner_id)
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, encoded(getattr(rows[-1], number.key)) if more else None)


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


def _require_user(session: Session, user_id: UUID) -> None:
    if not session.scalar(select(exists().where(User.id == user_id))):
        raise ApiError("user_not_found")
