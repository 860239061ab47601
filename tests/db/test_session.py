"""Transactions and reads: what is kept, what is undone, what is left to the next user."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Select, UpdateBase, select, text, update
from sqlalchemy.exc import IntegrityError

from db import allow_seconds, reading, scalar, transaction, write
from db.bounded import UnansweredError
from db.connections import SESSION, connect, engine
from db.models import User
from db.session import after_commit, set_limits
from errors import ApiError
from tests.databases import empty_database
from tests.factories import make_user

WHOSE = text("SELECT pg_backend_pid()")
IDLE = text("SELECT state = 'idle' FROM pg_stat_activity WHERE pid = :process")


@scalar
def _name(user_id: UUID) -> Select[str | None]:
    return select(User.username).where(User.id == user_id)


@write
def _rename(user_id: UUID, name: str) -> UpdateBase:
    return update(User).where(User.id == user_id).values(username=name)


@write
def _set_code(user_id: UUID, code: str) -> UpdateBase:
    return update(User).where(User.id == user_id).values(ref_code=code)


def name_of(user_id: UUID) -> str | None:
    with reading() as connection:
        return _name(connection, user_id)


def test_what_a_transaction_wrote_is_kept_at_its_end(database: str) -> None:
    user = make_user(username="before")
    with transaction() as session:
        _rename(session, user.id, name="after")
        assert name_of(user.id) == "before"
    assert name_of(user.id) == "after"


def test_a_refusal_undoes_its_transaction(database: str) -> None:
    user = make_user(username="before")
    with pytest.raises(ApiError, match="job_not_found"), transaction() as session:
        _rename(session, user.id, name="after")
        raise ApiError("job_not_found")
    assert name_of(user.id) == "before"


def test_what_follows_a_commit_happens_once_and_only_after_it(database: str) -> None:
    user = make_user(username="before")
    seen: list[str | None] = []

    def look() -> None:
        seen.append(name_of(user.id))

    with pytest.raises(ApiError), transaction() as session:
        after_commit(session, look)
        raise ApiError("job_not_found")
    assert seen == []
    with transaction() as session:
        after_commit(session, look)
        _rename(session, user.id, name="after")
        after_commit(session, look)
    assert seen == ["after"]


def test_a_suppressed_error_does_not_end_in_a_lost_answer(database: str) -> None:
    user, other = make_user(username="before"), make_user()
    with pytest.raises(RuntimeError, match="nothing was kept"), transaction() as session:
        _rename(session, user.id, name="after")
        with suppress(IntegrityError):
            _set_code(session, user.id, code=other.ref_code)
    assert name_of(user.id) == "before"


def test_a_refusal_inside_of_a_savepoint_undoes_only_its_block(database: str) -> None:
    user, inside = make_user(), User(telegram_id=uuid4().hex, ref_code=uuid4().hex[:8])
    with transaction() as session:
        _rename(session, user.id, name="outside")
        with pytest.raises(ApiError), session.begin_nested():
            session.add(inside)
            _rename(session, user.id, name="inside")
            raise ApiError("job_not_cancellable")
        assert _name(session, user.id) == "outside"
    assert name_of(user.id) == "outside"
    assert name_of(inside.id) is None


def test_what_a_savepoint_s_block_wrote_is_kept(database: str) -> None:
    user = make_user()
    with transaction() as session, session.begin_nested():
        _rename(session, user.id, name="kept")
    assert name_of(user.id) == "kept"


def test_a_read_begins_no_transaction(database: str) -> None:
    with reading() as connection, transaction() as session:
        process = connection.execute(WHOSE).scalar_one()
        assert session.scalar(IDLE, {"process": process})


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1 / 0"])
def test_a_read_leaves_nothing_to_the_transaction_that_is_next(
    database: str, statement: str
) -> None:
    with suppress(Exception), reading() as connection:
        process = connection.execute(WHOSE).scalar_one()
        connection.execute(text(statement))
    user = make_user(username="before")
    with suppress(KeyError), transaction() as session:
        assert session.execute(WHOSE).scalar_one() == process
        _rename(session, user.id, name="after")
        raise KeyError
    assert name_of(user.id) == "before"


def test_a_lost_server_is_noticed_once_and_not_by_each_connection(database: str) -> None:
    with ExitStack() as used:
        readers = [used.enter_context(reading()) for _ in range(3)]
        processes = [reader.execute(WHOSE).scalar_one() for reader in readers]
    with transaction() as session:
        for process in set(processes) - {session.execute(WHOSE).scalar_one()}:
            session.execute(text("SELECT pg_terminate_backend(:it, 5000)"), {"it": process})
    met = []
    for _ in range(4):
        try:
            with ExitStack() as used:
                for reader in [used.enter_context(reading()) for _ in range(3)]:
                    reader.execute(WHOSE)
        except ApiError as error:
            met.append(error.code)
    assert met == ["service_unavailable"]


def test_a_connection_that_was_lost_is_not_given_back(database: str) -> None:
    with pytest.raises(ApiError), reading() as connection:
        process = connection.execute(WHOSE).scalar_one()
        with transaction() as session:
            session.execute(text("SELECT pg_terminate_backend(:it, 5000)"), {"it": process})
        connection.execute(WHOSE)
    with reading() as connection:
        assert connection.execute(WHOSE).scalar_one() != process
    assert engine().pool.checkedout() == 0  # type: ignore[attr-defined]


def test_limits_that_a_pooler_does_not_pass_on_belong_to_the_role(
    postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    def limits(url: str) -> dict[str, Any]:
        pooled = connect(url, pool_size=1, pooler=True)
        with pooled.connect() as connection:
            found = {name: connection.scalar(text(f"SHOW {name}")) for name in SESSION}
        pooled.dispose()
        return found

    with empty_database(postgres) as url:
        assert limits(url)["statement_timeout"] == "0"
        assert "run `python cli.py migrate`" in caplog.text
        caplog.clear()
        set_limits(url)
        assert limits(url) == SESSION
        assert not caplog.text


def test_a_statement_that_gets_no_answer_is_given_up_with_its_connection(database: str) -> None:
    with pytest.raises(ApiError) as refused, reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.answer_seconds = 0.1
        connection.execute(text("SELECT pg_sleep(4)"))
    assert isinstance(getattr(refused.value.__cause__, "orig", None), UnansweredError)
    with reading() as connection:
        assert connection.connection.driver_connection is not driver


def test_whoever_may_take_longer_is_waited_for_until_the_transaction_ends(database: str) -> None:
    with transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        usual = driver.answer_seconds
        allow_seconds(session, 60)
        assert session.scalar(text("SHOW statement_timeout")) == "1min"
        assert driver.answer_seconds > 60
    assert driver.answer_seconds == usual
