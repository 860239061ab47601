"""Statements written as functions, built once, and called with values.

    @statement(UserRow)
    def _by_id(user_id: UUID) -> Query:
        return select(*User.columns(UserRow)).where(User.id == user_id)

    user = _by_id.one(db, user_id)

The function runs once, when its module is imported, with a placeholder for each parameter: it
cannot ask whether one is None. What it leaves behind takes the same parameters after the
connection, which mypy checks as those of any function, and returns rows of the named type.
SQLAlchemy's cache finds what it has compiled with one look-up: building a query for each call takes
longer than running most of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import NoneType
from typing import (
    Any,
    Generic,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
)
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Boolean,
    Connection,
    CursorResult,
    Date,
    Interval,
    Select,
    Text,
    UpdateBase,
    Uuid,
    bindparam,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

from db.types import UtcDateTime

# What a statement can run on: a transaction, or a connection from reading().
Reader = Session | Connection
Query: TypeAlias = Select[*tuple[Any, ...]] | UpdateBase

P = ParamSpec("P")
R = TypeVar("R", bound=NamedTuple)
T = TypeVar("T")

# How a parameter is sent. Those of other types, such as Decimal or a JSON value, are sent as the
# column that they are compared with or stored in.
_TYPES: dict[Any, TypeEngine[Any]] = {
    UUID: Uuid(),
    bool: Boolean(),
    datetime: UtcDateTime(),
    date: Date(),
    int: BigInteger(),
    list[UUID]: ARRAY(Uuid()),
    list[str]: ARRAY(Text()),
    str: Text(),
    timedelta: Interval(),
}


class _Prepared(Generic[P]):
    """A clause and, by the names of its parameters, the keys of its bindparam()s.

    One that no function describes is called with the keys themselves.
    """

    def __init__(self, clause: Query, keys: Mapping[str, str] | None = None) -> None:
        self.clause = clause
        self.keys = keys or {
            each.key: each.key
            for each in visitors.iterate(clause)
            if isinstance(each, BindParameter) and each.required
        }

    def _execute(
        self, db: Reader, args: tuple[object, ...], values: Mapping[str, object]
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run it, after pending objects of a session were written. Errors are SQLAlchemy's.

        TypeError unless the values are those of exactly its parameters.
        """
        keys = self.keys
        given = dict(zip(keys, args, strict=False), **values) if args else values
        if given.keys() != keys.keys():
            raise TypeError(f"needs {list(keys)}, got {list(given)}: {self.clause}")
        if not isinstance(db, Connection):
            db.flush()
            db = db.connection()
        return db.execute(self.clause, {keys[name]: given[name] for name in given})


class Statement(_Prepared[P], Generic[P, R]):
    """A SELECT, or a write with RETURNING, whose rows are of type R; made by statement()."""

    def __init__(self, row: type[R], clause: Query, keys: Mapping[str, str] | None = None) -> None:
        super().__init__(clause, keys)
        names = tuple(clause.exported_columns.keys())
        if names != row._fields:
            raise TypeError(f"{row} has {row._fields}, its statement returns {names}")
        self._made = row._make

    def one(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> R:
        """The only row; LookupError when there is none."""
        row = self._execute(db, args, values).one_or_none()
        if row is None:
            raise LookupError("a row that must be there is not")
        return self._made(row)

    def one_or_none(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> R | None:
        """The only row, found by a unique key; None when there is none."""
        row = self._execute(db, args, values).one_or_none()
        return None if row is None else self._made(row)

    def all(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> list[R]:
        """Every row."""
        return list(map(self._made, self._execute(db, args, values)))


class Scalar(_Prepared[P], Generic[P, T]):
    """A SELECT of one column; made by scalar()."""

    def __call__(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> T | None:
        """The value; None when there is no row."""
        found: T | None = self._execute(db, args, values).scalar_one_or_none()
        return found

    def all(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> list[T]:
        """The value of every row."""
        return list(self._execute(db, args, values).scalars())


class Write(_Prepared[P]):
    """An INSERT, UPDATE or DELETE; made by write()."""

    def __call__(self, db: Reader, /, *args: P.args, **values: P.kwargs) -> int:
        """Write; returns how many rows were affected."""
        return self._execute(db, args, values).rowcount


def statement(row: type[R]) -> Callable[[Callable[P, Query]], Statement[P, R]]:
    """For a function whose query returns the fields of `row`, by their names and in their order.

    TypeError when it returns others.
    """
    return lambda function: Statement(row, *_built(function))


def scalar(function: Callable[P, Select[T]]) -> Scalar[P, T]:
    """For a function whose query selects one column."""
    return Scalar(*_built(function))


def write(function: Callable[P, UpdateBase]) -> Write[P]:
    """For a function whose statement writes and returns nothing that anybody needs."""
    return Write(*_built(function))


def _built(function: Callable[..., Any]) -> tuple[Any, dict[str, str]]:
    """What a function makes of placeholders, and their keys by the names of its parameters.

    A key is never the name of a column: in an UPDATE, SQLAlchemy would take the parameter for that
    column's new value.
    """
    hints = get_type_hints(function)
    keys = {name: f"given_{name}" for name in inspect.signature(function).parameters}
    placeholders = {
        name: bindparam(key, type_=_TYPES.get(_without_none(hints[name])))
        for name, key in keys.items()
    }
    return function(**placeholders), keys


def _without_none(hint: Any) -> Any:
    """T for `T | None`, and every other type as it is."""
    inner = [each for each in get_args(hint) if each is not NoneType]
    return inner[0] if NoneType in get_args(hint) and len(inner) == 1 else hint
