"""Statements that are built once: values in, rows out, mistakes found before anything is sent."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    ARRAY,
    Select,
    UpdateBase,
    Uuid,
    cast,
    event,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql.psycopg2 import dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import NullType

import services
from db import Query, reading, scalar, statement, transaction, write
from db.connections import engine
from db.models import Job, Transaction, User
from db.rows import UserRow
from db.statements import Scalar, Statement, Write
from db.types import UtcDateTime
from services.paging import Listing
from tests.factories import make_user


class Given(NamedTuple):
    """One value of every type that parameters have."""

    tokens: Decimal
    moment: datetime
    whom: UUID
    wait: timedelta
    number: int
    sure: bool
    names: list[str]
    ids: list[UUID]
    meta: dict[str, Any]
    missing: str | None


@statement(Given)
def _sent_back(
    tokens: Decimal,
    moment: datetime,
    whom: UUID,
    wait: timedelta,
    number: int,
    sure: bool,
    names: list[str],
    ids: list[UUID],
    meta: dict[str, Any],
    missing: str | None,
) -> Query:
    sent: dict[str, Any] = dict(locals())
    sent |= {
        "tokens": type_coerce(tokens, Transaction.tokens_delta.type),
        "meta": type_coerce(meta, Job.meta.type),
        "whom": cast(whom, Uuid),
        "ids": cast(ids, ARRAY(Uuid)),
        "moment": cast(moment, UtcDateTime),
    }
    return select(*(each.label(name) for name, each in sent.items()))


@statement(UserRow)
def _user(user_id: UUID) -> Query:
    return select(*User.columns(UserRow)).where(User.id == user_id)


@scalar
def _name(user_id: UUID) -> Select[str | None]:
    return select(User.username).where(User.id == user_id)


@write
def _rename(user_id: UUID, username: str | None) -> UpdateBase:
    return update(User).where(User.id == user_id).values(username=username)


@write
def _add(id: UUID, telegram_id: str, ref_code: str) -> UpdateBase:
    return insert(User).values(id=id, telegram_id=telegram_id, ref_code=ref_code)


def test_values_come_back_as_they_were_sent(database: str) -> None:
    given = Given(
        Decimal("12.34"),
        datetime(2026, 1, 2, tzinfo=UTC),
        uuid4(),
        timedelta(hours=3),
        7,
        True,
        ["a", "ж"],
        [uuid4()],
        {"a": [1, None, "ж"]},
        None,
    )
    with reading() as connection:
        row = _sent_back.one(connection, *given)
    assert row == given
    assert isinstance(row, Given)


def test_a_row_does_not_change(database: str) -> None:
    with reading() as connection:
        user = _user.one(connection, make_user().id)
    with pytest.raises(AttributeError):
        user.username = "new"


def test_nothing_where_there_is_no_row(database: str) -> None:
    with reading() as connection:
        assert _user.one_or_none(connection, uuid4()) is None
        assert _user.all(connection, uuid4()) == []
        assert _name(connection, uuid4()) is None
        with pytest.raises(LookupError):
            _user.one(connection, uuid4())


@pytest.mark.parametrize("names", [{}, {"usernam": "x"}, {"username": "x", "id": "y"}], ids=str)
def test_a_misspelled_forgotten_or_additional_value_is_named(
    database: str, names: dict[str, Any]
) -> None:
    user = make_user(username="kept")
    with pytest.raises(TypeError, match=r"\['user_id', 'username'\]"), transaction() as session:
        _rename(session, user_id=user.id, **names)
    with reading() as connection:
        assert _name(connection, user.id) == "kept"


def test_a_query_of_other_columns_than_the_fields_of_its_row_stops_the_start() -> None:
    def without_a_name() -> Query:
        return select(User.id)

    with pytest.raises(TypeError, match="its statement returns"):
        statement(UserRow)(without_a_name)


def test_a_write_tells_how_many_rows_it_touched(database: str) -> None:
    user = make_user()
    with transaction() as session:
        assert _rename(session, user.id, "once") == 1
        assert _rename(session, uuid4(), "never") == 0


def test_objects_of_the_session_are_written_first(database: str) -> None:
    new = User(telegram_id=uuid4().hex, ref_code=uuid4().hex[:8])
    with transaction() as session:
        session.add(new)
        assert session.new
        assert _name(session, uuid4()) is None
        assert not session.new
    with reading() as connection:
        assert _user.one(connection, new.id).ref_code == new.ref_code


def test_a_broken_rule_names_its_own_statement_and_no_values(database: str) -> None:
    user = make_user()
    with pytest.raises(IntegrityError) as broken, transaction() as session:
        _add(session, id=uuid4(), telegram_id=user.telegram_id, ref_code="secret-code")
    assert str(broken.value.statement).startswith("INSERT INTO users")
    assert "secret-code" not in str(broken.value)


def test_a_tracer_sees_each_statement_begin_and_end(database: str) -> None:
    heard: list[tuple[str, str]] = []

    def begins(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        heard.append(("begins", statement.split()[0]))

    def ends(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        heard.append(("ends", statement.split()[0]))

    event.listen(engine(), "before_cursor_execute", begins)
    event.listen(engine(), "after_cursor_execute", ends)
    try:
        with transaction() as session:
            _user.one_or_none(session, uuid4())
            _rename(session, uuid4(), "x")
    finally:
        event.remove(engine(), "before_cursor_execute", begins)
        event.remove(engine(), "after_cursor_execute", ends)
    statements = ["SELECT", "UPDATE"]
    assert heard == [(what, each) for each in statements for what in ("begins", "ends")]


def prepared() -> dict[str, Any]:
    """Every statement of the services, by its place."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(services.__path__, "services."):
        for name, each in vars(importlib.import_module(module.name)).items():
            pages = vars(each).items() if isinstance(each, Listing) else [("", each)]
            found |= {
                f"{module.name}.{name}{page}": value
                for page, value in pages
                if isinstance(value, Statement | Scalar | Write)
            }
    return found


def test_every_value_is_used_and_sent_as_the_type_of_a_column() -> None:
    """One of no type would be sent as it is: a Decimal, for an amount that is stored in cents."""
    for place, each in prepared().items():
        sent = each.clause.compile(dialect=dialect()).binds
        assert {*each.keys.values()} <= sent.keys(), place
        assert [key for key in each.keys.values() if isinstance(sent[key].type, NullType)] == [], (
            place
        )
