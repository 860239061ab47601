"""Statements that bypass SQLAlchemy's execution behave as its own do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    Column,
    Integer,
    Interval,
    MetaData,
    Table,
    Text,
    bindparam,
    cast,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

import services.data
import services.idempotency
import services.inbox
import services.jobs
import services.ledger
import services.lotteries
import services.paging
import services.payment_rows
import services.payments
import services.referrals
import services.settlement
import services.tariffs
import services.users
from db import Statement, reading, transaction
from db.models import Job, Transaction, User
from db.session import engine
from db.statements import _compile, driver_of
from errors import ApiError
from tests.factories import make_image, make_job, make_user

USERS: Any = User.__table__
_USER = Statement(select(*User.columns()).where(User.id == bindparam("user_id")))
_RENAMED = Statement(
    update(USERS).where(USERS.c.id == bindparam("user_id")).values(username=bindparam("new_name"))
)
MODULES = (
    services.data,
    services.idempotency,
    services.inbox,
    services.jobs,
    services.ledger,
    services.lotteries,
    services.paging,
    services.payment_rows,
    services.payments,
    services.referrals,
    services.settlement,
    services.tariffs,
    services.users,
)


@pytest.mark.parametrize("table", [User, Job, Transaction])
def test_a_row_is_what_sqlalchemy_makes_of_it(database: str, table: Any) -> None:
    make_job(make_user(100).id, data_id=make_image().id)
    query = select(*table.columns()).order_by(table.created_at.desc()).limit(1)
    with reading() as connection:
        expected = connection.execute(query).one()
        assert tuple(Statement(query).one(connection)) == tuple(expected)
        assert Statement(query).one(connection).id == expected.id


def test_values_reach_the_database_as_sqlalchemy_sends_them(database: str) -> None:
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


def test_a_value_that_is_used_at_several_places_is_sent_once(database: str) -> None:
    user = make_user()
    either = (User.username == bindparam("name")) | (User.telegram_id == bindparam("name"))
    statement = Statement(select(User.id).where(either, User.telegram_id != bindparam("other")))
    with reading() as connection:
        assert statement.scalar(connection, name=user.telegram_id, other="-") == user.id
        plan = _compile(statement._clause, engine().dialect, driver_of(connection).cursor())
    assert plan.call.count("%s") == 2


def test_nothing_where_there_is_no_row(database: str) -> None:
    with reading() as connection:
        assert _USER.one_or_none(connection, user_id=uuid4()) is None
        assert _USER.all(connection, user_id=uuid4()) == []
        assert _USER.scalar(connection, user_id=uuid4()) is None
        with pytest.raises(LookupError):
            _USER.one(connection, user_id=uuid4())


def test_a_forgotten_value_is_an_error_and_not_null(database: str) -> None:
    user = make_user(username="kept")
    with pytest.raises(KeyError, match="new_name"), transaction() as session:
        _RENAMED.run(session, user_id=user.id)
    with reading() as connection:
        assert _USER.one(connection, user_id=user.id).username == "kept"


def test_a_default_that_only_an_object_would_get_is_not_lost_silently(database: str) -> None:
    nameless = Statement(insert(USERS).values(telegram_id=bindparam("telegram_id"), ref_code="x"))
    with pytest.raises(TypeError, match="default"), transaction() as session:
        nameless.run(session, telegram_id="1")


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


def test_a_broken_rule_is_sqlalchemys_error_without_the_values(database: str) -> None:
    statement = Statement(
        insert(USERS).values(
            id=bindparam("id"), telegram_id=bindparam("telegram_id"), ref_code=bindparam("ref_code")
        )
    )
    user = make_user()
    with pytest.raises(IntegrityError) as broken, transaction() as session:
        statement.run(session, id=uuid4(), telegram_id=user.telegram_id, ref_code="secret-code")
    assert "secret-code" not in str(broken.value)


def test_listeners_of_the_engine_hear_them(database: str) -> None:
    heard: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        with transaction() as session:
            _USER.one_or_none(session, user_id=uuid4())
            _RENAMED.defer(session, user_id=uuid4(), new_name="x")
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    assert [each.split()[0] for each in heard] == ["SELECT", "UPDATE"]


def _all() -> Iterator[Any]:
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Statement):
                yield pytest.param(value, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("statement", list(_all()))
def test_each_statement_of_the_rules_can_be_prepared(database: str, statement: Statement) -> None:
    with reading() as connection:
        driver = driver_of(connection)
        cursor = driver.cursor()
        plan = _compile(statement._clause, engine().dialect, cursor)
        driver.prepare(plan.name, plan.preparation)
        cursor.execute(f"DEALLOCATE {plan.name}")


def test_what_is_fixed_is_known_to_the_planner_and_the_rest_is_told_later(database: str) -> None:
    find = Statement(select(User.id).where(User.username == "100%", User.id == bindparam("which")))
    with reading() as connection:
        assert find.one_or_none(connection, which=uuid4()) is None
        prepared = connection.execute(
            text("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%100%'")
        ).scalar_one()
    assert "= '100%'" in prepared and "$1" in prepared and "$2" not in prepared


def test_a_statement_is_prepared_once_for_a_connection(database: str) -> None:
    count_of = Statement(select(func.count().label("prepared_once")).select_from(User))
    with reading() as connection:
        for _ in range(3):
            assert count_of.scalar(connection) >= 0
        prepared = connection.execute(
            text(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%prepared_once%'"
            )
        ).scalar_one()
    assert prepared == 1


def test_a_statement_that_failed_can_be_called_again(database: str) -> None:
    read = Statement(select(cast(bindparam("written", type_=Text), Integer)))
    for _ in range(2):
        with pytest.raises(DataError), transaction() as session:
            read.scalar(session, written="two")
        with transaction() as session:
            assert read.scalar(session, written="2") == 2


def test_after_a_migration_of_its_columns_a_statement_is_prepared_anew(database: str) -> None:
    table = Table("migrated", MetaData(), Column("size", Integer))
    size = Statement(select(table.c.size))
    with transaction() as session:
        session.execute(text("CREATE TABLE migrated AS SELECT 1 AS size"))
    try:
        with reading() as connection:
            assert size.scalar(connection) == 1
        with transaction() as session:
            session.execute(text("ALTER TABLE migrated ALTER size TYPE text"))
        with pytest.raises(ApiError) as refusal, reading() as connection:
            size.scalar(connection)
        assert refusal.value.code == "service_unavailable"
        with reading() as connection:
            assert size.scalar(connection) == "1"
    finally:
        with transaction() as session:
            session.execute(text("DROP TABLE migrated"))


def test_counted_rows_are_named(database: str) -> None:
    user = make_user()
    counted = Statement(
        select(func.count().label("entries")).where(Transaction.user_id == bindparam("user_id"))
    )
    with reading() as connection:
        assert counted.one(connection, user_id=user.id).entries == 0
