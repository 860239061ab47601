"""Everything kept about a person, as services/personal_data declares it: rows as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from db.models import Data
from db.rows import UserRow
from db.types import moment, number
from services.personal_data import KEPT, Kept, files_of

AT_ONCE = 500  # rows in memory


class File(NamedTuple):
    """A stored file of a person: where its bytes are, and its name in the export."""

    storage_key: str
    name: str


def tables() -> tuple[Kept, ...]:
    """Those with something to export."""
    return tuple(kept for kept in KEPT if kept.exported)


def rows(session: Session, kept: Kept, user: UserRow) -> Iterator[dict[str, Any]]:
    """The person's rows of one table, a few at a time, by the names of their columns."""
    owner = {"owner_id": user.id, "owner_telegram_id": user.telegram_id}
    found = session.execute(_query(kept), owner, execution_options={"yield_per": AT_ONCE})
    for row in found.mappings():
        yield {name: _json(value) for name, value in row.items()}


def files(session: Session, user_id: UUID) -> list[File]:
    """The person's files whose bytes are there."""
    query = select(Data.id, Data.storage_key).where(
        Data.id.in_(files_of(user_id)), Data.status == "confirmed"
    )
    return [
        File(key, f"files/{data_id}.{key.rpartition('.')[2]}")
        for data_id, key in session.execute(query.order_by(Data.created_at, Data.id))
    ]


def _query(kept: Kept) -> Select[*tuple[Any, ...]]:
    table: Any = kept.table.__table__
    names = kept.exported.split()
    computed = (value.label(name) for name, value in kept.computed.items())
    query = select(*(table.c[name] for name in names), *computed).where(kept.rows)
    return query.order_by(table.c["number" if "number" in names else "created_at"])


def _json(value: Any) -> Any:
    """A value of a row, as the contract writes it."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        return moment(value)
    return str(value) if isinstance(value, UUID) else value
