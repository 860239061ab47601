"""Statements built once and called by name.

SQLAlchemy's cache then finds what it has compiled with one look-up: building a query for each call
takes longer than running most of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection, CursorResult, Select, UpdateBase
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors

# What a statement can run on: a transaction, or a connection from reading().
Reader = Session | Connection


class Record(Protocol):
    """A row: values by the names of their columns. It does not change when its table does."""

    def __getattr__(self, name: str) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Statement:
    """One SELECT, INSERT, UPDATE or DELETE whose parameters are bindparam()s.

    Values are passed by name when it is run; TypeError unless they are exactly its parameters. In
    an UPDATE, SQLAlchemy takes a parameter named like a column for that column's new value, so
    those are named `where_*` and `new_*`.
    Pending objects of the session are written before it. Errors are SQLAlchemy's.
    """

    def __init__(self, clause: Select[*tuple[Any, ...]] | UpdateBase) -> None:
        self._clause = clause
        self._names = _parameters(clause)

    def one(self, db: Reader, /, **values: Any) -> Record:
        """The only row; LookupError when there is none."""
        row = self.one_or_none(db, **values)
        if row is None:
            raise LookupError("a row that must be there is not")
        return row

    def one_or_none(self, db: Reader, /, **values: Any) -> Record | None:
        """The only row, found by a unique key; None when there is none."""
        return self._execute(db, values).one_or_none()

    def all(self, db: Reader, /, **values: Any) -> list[Record]:
        """Every row."""
        return list(self._execute(db, values))

    def scalar(self, db: Reader, /, **values: Any) -> Any:
        """The first column of the only row; None when there is no row."""
        return self._execute(db, values).scalar_one_or_none()

    def run(self, db: Reader, /, **values: Any) -> int:
        """Write; returns how many rows were affected."""
        return self._execute(db, values).rowcount

    def _execute(self, db: Reader, values: dict[str, Any]) -> CursorResult[*tuple[Any, ...]]:
        if values.keys() != self._names:
            raise TypeError(f"needs {sorted(self._names)}, got {sorted(values)}: {self._clause}")
        return _connection_of(db).execute(self._clause, values)


def _connection_of(db: Reader) -> Connection:
    """The connection `db` uses, after the session's pending objects have been written."""
    if isinstance(db, Connection):
        return db
    db.flush()
    return db.connection()


def _parameters(clause: Select[*tuple[Any, ...]] | UpdateBase) -> frozenset[str]:
    """Names of the values that each run must bring."""
    return frozenset(
        each.key
        for each in visitors.iterate(clause)
        if isinstance(each, BindParameter) and each.required
    )
