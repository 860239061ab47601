"""Statements that are built once: values in, rows out, mistakes found before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Interval, bindparam, event, insert, select, update
from sqlalchemy.exc import IntegrityError

from db import Statement, reading, transaction
from db.models import Job, Transaction, User
from db.session import engine
from tests.factories import make_user

USERS: Any = User.__table__
_USER = Statement(select(*User.columns()).where(User.id == bindparam("user_id")))
_RENAMED = Statement(
    update(USERS).where(USERS.c.id == bindparam("user_id")).values(username=bindparam("new_name"))
)
_ADDED = Statement(
    insert(USERS).values(
        id=bindparam("id"), telegram_id=bindparam("telegram_id"), ref_code=bindparam("ref_code")
    )
)


def test_values_come_back_as_they_were_sent(database: str) -> None:
    given = {
        "tokens": Decimal("12.34"),
        "moment": datetime(2026, 1, 2, tzinfo=UTC),
        "whom": uuid4(),
        "wait": timedelta(hours=3),
        "names": {"a": [1, None, "ж"]},
    }
    columns = [
        bindparam("tokens", type_=Transaction.tokens_delta.type).label("tokens"),
        bindparam("moment", type_=User.created_at.type).label("moment"),
        bindparam("whom", type_=User.id.type).label("whom"),
        bindparam("wait", type_=Interval()).label("wait"),
        bindparam("names", type_=Job.meta.type).label("names"),
    ]
    with reading() as connection:
        row = Statement(select(*columns)).one(connection, **given)
    assert {name: getattr(row, name) for name in given} == given


def test_nothing_where_there_is_no_row(database: str) -> None:
    with reading() as connection:
        assert _USER.one_or_none(connection, user_id=uuid4()) is None
        assert _USER.all(connection, user_id=uuid4()) == []
        assert _USER.scalar(connection, user_id=uuid4()) is None
        with pytest.raises(LookupError):
            _USER.one(connection, user_id=uuid4())


@pytest.mark.parametrize(
    "names", [{}, {"new_nam": "x"}, {"new_name": "x", "ref_code": "y"}], ids=str
)
def test_a_misspelled_forgotten_or_additional_value_is_named(
    database: str, names: dict[str, str]
) -> None:
    user = make_user(username="kept")
    with pytest.raises(TypeError, match=r"\['new_name', 'user_id'\]"), transaction() as session:
        _RENAMED.run(session, user_id=user.id, **names)
    with reading() as connection:
        assert _USER.one(connection, user_id=user.id).username == "kept"


def test_a_write_tells_how_many_rows_it_touched(database: str) -> None:
    user = make_user()
    with transaction() as session:
        assert _RENAMED.run(session, user_id=user.id, new_name="once") == 1
        assert _RENAMED.run(session, user_id=uuid4(), new_name="never") == 0


def test_objects_of_the_session_are_written_first(database: str) -> None:
    new = User(telegram_id=uuid4().hex, ref_code=uuid4().hex[:8])
    with transaction() as session:
        session.add(new)
        assert session.new
        assert _USER.scalar(session, user_id=uuid4()) is None
        assert not session.new
    with reading() as connection:
        assert _USER.one(connection, user_id=new.id).ref_code == new.ref_code


def test_a_broken_rule_names_its_own_statement_and_no_values(database: str) -> None:
    user = make_user()
    with pytest.raises(IntegrityError) as broken, transaction() as session:
        _ADDED.run(session, id=uuid4(), telegram_id=user.telegram_id, ref_code="secret-code")
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
            _USER.one_or_none(session, user_id=uuid4())
            _RENAMED.run(session, user_id=uuid4(), new_name="x")
    finally:
        event.remove(engine(), "before_cursor_execute", begins)
        event.remove(engine(), "after_cursor_execute", ends)
    statements = ["SELECT", "UPDATE"]
    assert heard == [(what, each) for each in statements for what in ("begins", "ends")]
