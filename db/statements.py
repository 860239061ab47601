"""Statements built once, prepared by the server, and executed directly by the driver.

SQLAlchemy compiles each when it is first run, and each connection prepares it when it first needs
it. From then on only psycopg2 is between a rule and the database: what SQLAlchemy does around every
execution (caches, contexts, results of any shape) takes as long as the driver and the socket
together, and parsing and planning take as long as running most statements. Its pool, transactions
and errors stay: a failure is passed to the connection, which can tell a dead server from a bad row.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NoReturn, Protocol, cast

from sqlalchemy import ARRAY, Connection, Dialect, Uuid
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.types import TypeEngine

from db.batching import BatchingConnection
from db.types import Amount, UtcDateTime

# What a statement can run on: a transaction, or a connection from reading().
Reader = Session | Connection

_Convert = Callable[[Any], Any]


class Record(Protocol):
    """A row: values by the names of their columns. It does not change when its table does."""

    def __getattr__(self, name: str) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """A compiled statement: how to prepare and call it, pass values in and get rows out."""

    name: str
    preparation: str
    call: str
    named: tuple[tuple[str, _Convert | None], ...]
    record: type[tuple[Any, ...]]
    converted: tuple[tuple[int, _Convert], ...]
    compiled: SQLCompiler

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        return [
            values[name] if convert is None else convert(values[name])
            for name, convert in self.named
        ]

    def row(self, raw: tuple[Any, ...]) -> Any:
        row = list(raw)
        for position, convert in self.converted:
            row[position] = convert(row[position])
        return tuple.__new__(self.record, row)

    def sql_and_parameters(self, arguments: list[Any]) -> tuple[str, dict[str, Any]]:
        """The statement and its values as SQLAlchemy would send them."""
        names = (name for name, _ in self.named)
        return self.compiled.string, {
            **_fixed(self.compiled),
            **dict(zip(names, arguments, strict=True)),
        }


class Statement:
    """One SELECT, INSERT, UPDATE or DELETE whose parameters are bindparam()s.

    Values are passed by name when it is run; a missing one is a KeyError, an extra one is ignored.
    In an UPDATE, SQLAlchemy takes a parameter named like a column for that column's new value, so
    those are named `where_*` and `new_*`.
    Pending objects of the session are written before it. Errors are SQLAlchemy's.
    """

    def __init__(self, clause: ReturnsRows) -> None:
        self._clause = clause
        self._plan: _Plan | None = None

    def one(self, db: Reader, /, **values: Any) -> Record:
        """The only row; LookupError when there is none."""
        row = self.one_or_none(db, **values)
        if row is None:
            raise LookupError("a row that must be there is not")
        return row

    def one_or_none(self, db: Reader, /, **values: Any) -> Record | None:
        """The only row, found by a unique key; None when there is none."""
        plan, cursor = self._execute(db, values)
        raw = cursor.fetchone()
        row: Record | None = None if raw is None else plan.row(raw)
        return row

    def all(self, db: Reader, /, **values: Any) -> list[Record]:
        """Every row."""
        plan, cursor = self._execute(db, values)
        return [plan.row(raw) for raw in cursor.fetchall()]

    def scalar(self, db: Reader, /, **values: Any) -> Any:
        """The first column of the only row; None when there is no row."""
        plan, cursor = self._execute(db, values)
        raw = cursor.fetchone()
        return None if raw is None else plan.row(raw)[0]

    def run(self, db: Reader, /, **values: Any) -> int:
        """Write; returns how many rows were affected."""
        _, cursor = self._execute(db, values)
        touched: int = cursor.rowcount
        return touched

    def defer(self, db: Reader, /, **values: Any) -> None:
        """Write together with the next statement or with COMMIT, which then raises its errors."""
        connection = connection_of(db)
        driver = driver_of(connection)
        cursor = driver.cursor()
        plan, arguments = self._ready(connection, cursor, values)
        driver.defer(cursor.mogrify(plan.call, arguments))

    def _execute(self, db: Reader, values: dict[str, Any]) -> tuple[_Plan, Any]:
        connection = connection_of(db)
        cursor = driver_of(connection).cursor()
        plan, arguments = self._ready(connection, cursor, values)
        try:
            cursor.execute(plan.call, arguments)
        except BaseException as error:
            _raise(connection, error, *plan.sql_and_parameters(arguments), cursor)
        return plan, cursor

    def _ready(
        self, connection: Connection, cursor: Any, values: dict[str, Any]
    ) -> tuple[_Plan, list[Any]]:
        plan = self._plan
        if plan is None:
            plan = self._plan = _compile(self._clause, connection.dialect, cursor)
        arguments = plan.arguments(values)
        _notify_listeners(connection, cursor, plan, arguments)
        try:
            cursor.connection.prepare(plan.name, plan.preparation)
        except BaseException as error:
            _raise(connection, error, *plan.sql_and_parameters(arguments), cursor)
        return plan, arguments


def connection_of(db: Reader) -> Connection:
    """The connection `db` uses, after the session's pending objects have been written."""
    if isinstance(db, Connection):
        return db
    if db.in_transaction():  # it may hold objects
        db.flush()
    bound = db.bind  # by transaction(), which saves the session's own look-up
    return bound if isinstance(bound, Connection) else db.connection()


def driver_of(connection: Connection) -> BatchingConnection:
    """The driver's connection below it."""
    return cast(BatchingConnection, connection.connection.dbapi_connection)


def _notify_listeners(
    connection: Connection, cursor: Any, plan: _Plan, arguments: list[Any]
) -> None:
    """The engine's event listeners get these statements, too."""
    if connection._has_events or connection.engine._has_events:
        statement = plan.sql_and_parameters(arguments)
        connection.dispatch.before_cursor_execute(connection, cursor, *statement, None, False)


def _raise(
    connection: Connection, error: BaseException, sql: str, parameters: Any, cursor: Any
) -> NoReturn:
    """Like Connection.execute: renews the pool when the server has gone, wraps what psycopg2
    raised, and gives up a connection whose statement was interrupted.
    """
    connection._handle_dbapi_exception(error, sql, parameters, cursor, None)


_numbers = count(1)


def _compile(clause: Any, dialect: Dialect, cursor: Any) -> _Plan:
    compiled: SQLCompiler = clause.compile(dialect=dialect)
    if compiled.insert_prefetch or compiled.update_prefetch:
        raise TypeError("a default of Python's is missing among the values: " + str(compiled))
    # By name: a value that the statement uses in several places is sent once.
    given = {name: bind.type for bind, name in compiled.bind_names.items() if bind.required}
    # Constants stay in the text, so that the planner knows them: it cannot use an index of waiting
    # jobs if the status is only a parameter.
    places = {name: f"${place}" for place, name in enumerate(given, start=1)} | {
        name: cursor.mogrify("%s", (value,)).decode() for name, value in _fixed(compiled).items()
    }
    name = f"{clause.__visit_name__}_{next(_numbers)}"
    types = ", ".join(_type(kind, dialect) for kind in given.values())
    marks = ", ".join(_mark(kind, dialect) for kind in given.values())
    columns = list(clause.exported_columns)
    names = [each.key for each in columns]
    # The names are the statement's, which mypy cannot know; unnamed columns are read by position.
    record: Any = namedtuple("Record", names, rename=True)  # type: ignore[misc]
    return _Plan(
        name=name,
        preparation=f"PREPARE {name}{types and f' ({types})'} AS {compiled.string % places}",
        call=f"EXECUTE {name}{marks and f' ({marks})'}",
        named=tuple((name, _into(kind, dialect)) for name, kind in given.items()),
        record=record,
        converted=tuple(
            (position, convert)
            for position, each in enumerate(columns)
            if (convert := _out_of(each.type, dialect)) is not None
        ),
        compiled=compiled,
    )


def _fixed(compiled: SQLCompiler) -> dict[str, Any]:
    """Values that are part of the statement, as the driver takes them."""
    fixed = {}
    for bind, name in compiled.bind_names.items():
        if not bind.required:
            convert = _into(bind.type, compiled.dialect)
            value = bind.effective_value
            fixed[name] = value if convert is None else convert(value)
    return fixed


def _type(kind: TypeEngine[Any], dialect: Dialect) -> str:
    return "unknown" if kind._isnull else dialect.type_compiler_instance.process(kind)


def _mark(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """A value's placeholder in a call; a list of texts must be cast to a list of ids."""
    return f"%s::{_type(kind, dialect)}" if isinstance(kind, ARRAY) else "%s"


def _into(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    if isinstance(kind, Uuid):  # psycopg2 takes longer to quote the object than its text
        return _text
    if isinstance(kind, Amount | UtcDateTime):
        return partial(kind.process_bind_param, dialect=dialect)
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _out_of(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    if isinstance(kind, Amount | UtcDateTime):
        return partial(kind.process_result_value, dialect=dialect)
    return kind.dialect_impl(dialect).result_processor(dialect, None)
