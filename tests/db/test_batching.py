"""Fewer round trips to the database, and the same transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.exc import IntegrityError, InternalError

from db import Statement, reading, savepoint, transaction
from db.batching import BatchingConnection
from db.models import User
from errors import ApiError
from tests.factories import make_user

USERS: Any = User.__table__
_NAME = Statement(select(User.username).where(User.id == bindparam("user_id")))
_RENAMED = Statement(
    update(USERS).where(USERS.c.id == bindparam("user_id")).values(username=bindparam("new_name"))
)
_CODE = Statement(
    update(USERS).where(USERS.c.id == bindparam("user_id")).values(ref_code=bindparam("new_code"))
)


def name_of(user_id: Any) -> Any:
    with reading() as connection:
        return _NAME.scalar(connection, user_id=user_id)


@pytest.fixture
def driver(database: str) -> Iterator[BatchingConnection]:
    """A connection of the driver alone, with a table of its own."""
    connection = psycopg2.connect(
        database.replace("+psycopg2", ""), connection_factory=BatchingConnection
    )
    connection.cursor().execute("CREATE TEMP TABLE notes (text text UNIQUE)")
    connection.commit()
    yield connection
    connection.close()


def notes(driver: BatchingConnection) -> list[str]:
    """The stored rows, read in a separate transaction."""
    cursor = driver.cursor()
    cursor.execute("SELECT text FROM notes ORDER BY text")
    found = [text for (text,) in cursor.fetchall()]
    driver.rollback()
    return found


def is_idle(driver: BatchingConnection) -> bool:
    return driver.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE


def test_the_first_statement_opens_a_transaction(driver: BatchingConnection) -> None:
    cursor = driver.cursor()
    cursor.execute("INSERT INTO notes VALUES (%s) RETURNING text", ("a; b %",))
    assert cursor.fetchone() == ("a; b %",)
    assert not is_idle(driver)
    driver.rollback()
    assert is_idle(driver)
    assert notes(driver) == []


def test_commit_keeps_and_ends_it(driver: BatchingConnection) -> None:
    driver.cursor().execute("INSERT INTO notes VALUES ('a')")
    driver.commit()
    assert is_idle(driver)
    assert notes(driver) == ["a"]


def test_deferred_statements_go_before_the_next_statement(driver: BatchingConnection) -> None:
    cursor = driver.cursor()
    driver.defer(b"INSERT INTO notes VALUES ('first')")
    cursor.execute("SELECT text FROM notes")
    assert cursor.fetchall() == [("first",)]
    driver.rollback()
    assert notes(driver) == []


def test_deferred_statements_go_with_commit(driver: BatchingConnection) -> None:
    driver.defer(b"INSERT INTO notes VALUES ('a')")
    driver.defer(b"INSERT INTO notes VALUES ('b')")
    driver.commit()
    assert notes(driver) == ["a", "b"]


def test_deferred_statements_are_discarded_by_rollback(driver: BatchingConnection) -> None:
    driver.defer(b"INSERT INTO notes VALUES ('a')")
    driver.rollback()
    driver.commit()
    assert notes(driver) == []


def test_an_error_among_deferred_statements_undoes_all_of_them(driver: BatchingConnection) -> None:
    driver.cursor().execute("INSERT INTO notes VALUES ('a')")
    driver.defer(b"INSERT INTO notes VALUES ('b')")
    driver.defer(b"INSERT INTO notes VALUES ('a')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        driver.commit()
    driver.rollback()
    assert notes(driver) == []


def test_commit_of_a_failed_transaction_is_an_error(driver: BatchingConnection) -> None:
    driver.cursor().execute("INSERT INTO notes VALUES ('a')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        driver.cursor().execute("INSERT INTO notes VALUES ('a')")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction, match="nothing was kept"):
        driver.commit()
    assert is_idle(driver)
    assert notes(driver) == []


def test_a_swallowed_error_does_not_end_in_a_lost_answer(database: str) -> None:
    user, other = make_user(username="before"), make_user()
    with pytest.raises(InternalError, match="nothing was kept"), transaction() as session:
        _RENAMED.run(session, user_id=user.id, new_name="after")
        with suppress(IntegrityError):
            _CODE.run(session, user_id=user.id, new_code=other.ref_code)
    assert name_of(user.id) == "before"


def test_an_empty_transaction_sends_nothing(driver: BatchingConnection) -> None:
    driver.commit()
    driver.rollback()
    assert is_idle(driver)


def test_many_rows_are_one_transaction(driver: BatchingConnection) -> None:
    with pytest.raises(psycopg2.errors.UniqueViolation):
        driver.cursor().executemany("INSERT INTO notes VALUES (%s)", [("a",), ("b",), ("a",)])
    driver.rollback()
    assert notes(driver) == []


def test_reading_opens_no_transaction(driver: BatchingConnection) -> None:
    driver.reading = True
    driver.cursor().execute("SELECT 1")
    assert is_idle(driver)


def test_a_lost_connection_is_reported(driver: BatchingConnection) -> None:
    other = driver.cursor()
    other.execute("SELECT pg_backend_pid()")
    (process,) = other.fetchone() or (0,)
    driver.rollback()
    with transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(:process, 1000)"), {"process": process})
    driver.defer(b"INSERT INTO notes VALUES ('a')")
    with pytest.raises(psycopg2.OperationalError):
        driver.commit()
    assert driver.closed


def test_a_deferred_write_is_seen_by_what_follows(database: str) -> None:
    user = make_user()
    with transaction() as session:
        _RENAMED.defer(session, user_id=user.id, new_name="seen")
        assert _NAME.scalar(session, user_id=user.id) == "seen"
        assert session.scalar(select(User.username).where(User.id == user.id)) == "seen"
    assert name_of(user.id) == "seen"


def test_a_deferred_write_alone_is_kept(database: str) -> None:
    user = make_user()
    with transaction() as session:
        _RENAMED.defer(session, user_id=user.id, new_name="alone")
    assert name_of(user.id) == "alone"


def test_a_deferred_write_that_breaks_a_rule_undoes_its_transaction(database: str) -> None:
    user, other = make_user(username="before"), make_user()
    with pytest.raises(IntegrityError), transaction() as session:
        _RENAMED.run(session, user_id=user.id, new_name="after")
        _CODE.defer(session, user_id=user.id, new_code=other.ref_code)
    assert name_of(user.id) == "before"
    with transaction() as session:  # and its connection serves the next
        _RENAMED.defer(session, user_id=user.id, new_name="later")
    assert name_of(user.id) == "later"


def test_a_refusal_inside_of_a_savepoint_undoes_only_its_block(database: str) -> None:
    user, inside = make_user(), User(telegram_id=uuid4().hex, ref_code=uuid4().hex[:8])
    with transaction() as session:
        _RENAMED.defer(session, user_id=user.id, new_name="outside")
        with pytest.raises(ApiError), savepoint(session):
            session.add(inside)
            _RENAMED.run(session, user_id=user.id, new_name="inside")
            raise ApiError("job_not_cancellable")
        assert _NAME.scalar(session, user_id=user.id) == "outside"
    assert name_of(user.id) == "outside"
    assert name_of(inside.id) is None


def test_what_a_savepoint_s_block_wrote_is_kept(database: str) -> None:
    user = make_user()
    with transaction() as session, savepoint(session):
        _RENAMED.defer(session, user_id=user.id, new_name="kept")
    assert name_of(user.id) == "kept"


def test_a_read_after_a_failed_one_starts_anew(database: str) -> None:
    with pytest.raises(Exception, match="division by zero"), reading() as connection:
        connection.execute(text("SELECT 1 / 0"))
    with reading() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
