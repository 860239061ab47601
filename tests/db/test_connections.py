"""Connections are reused while all is well, and dropped when it is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from db import reading, transaction
from db.connections import Connections
from db.session import connect


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    made = connect(database, pool_size=3)
    yield made
    made.dispose()


def session_of(connection: Connection) -> int:
    """The session of a connection, as the pid of its server process."""
    session = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    connection.rollback()
    return session


def session_lent_by(connections: Connections) -> int:
    with connections.one() as connection:
        return session_of(connection)


def waiting(connections: Connections, count: int) -> set[int]:
    """Sessions of `count` connections that are used concurrently and then idle."""
    with ExitStack() as used:
        return {session_of(used.enter_context(connections.one())) for _ in range(count)}


def ended(engine: Engine, sessions: set[int]) -> bool:
    with engine.connect() as connection:
        alive = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:them)"),
            {"them": list(sessions)},
        )
        return alive.scalar_one() == 0


def test_a_connection_that_ended_well_is_reused_without_the_pool(engine: Engine) -> None:
    connections = Connections(engine)
    first = session_lent_by(connections)
    assert {session_lent_by(connections) for _ in range(5)} == {first}
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_two_concurrent_uses_get_two_connections(engine: Engine) -> None:
    assert len(waiting(Connections(engine), 2)) == 2


def test_a_read_by_sqlalchemy_leaves_no_transaction_to_the_next(database: str) -> None:
    whose = text("SELECT pg_backend_pid()")
    with reading() as connection:
        first = connection.execute(whose).scalar_one()
        assert connection.in_transaction()
    with transaction() as session:
        assert session.execute(whose).scalar_one() == first


def test_a_connection_that_met_an_error_goes_back_to_the_pool(engine: Engine) -> None:
    connections = Connections(engine)
    with pytest.raises(KeyError), connections.one():
        raise KeyError
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]


def test_a_lost_server_is_noticed_once_and_not_by_each_connection(engine: Engine) -> None:
    connections = Connections(engine)
    sessions = waiting(connections, 3)
    with engine.connect() as other:
        for session in sessions:
            other.execute(text("SELECT pg_terminate_backend(:session, 5000)"), {"session": session})
    with pytest.raises(DBAPIError) as met:
        session_lent_by(connections)
    assert met.value.connection_invalidated
    assert not waiting(connections, 3) & sessions


def test_a_connection_in_use_while_the_others_are_dropped_is_not_reused(engine: Engine) -> None:
    connections = Connections(engine)
    with connections.one() as connection:
        used = session_of(connection)
        connections.give_up()
    assert session_lent_by(connections) != used


def test_idle_connections_are_closed_with_their_engine_and_when_they_are_old(
    engine: Engine,
) -> None:
    connections = Connections(engine)
    sessions = waiting(connections, 3)
    engine.dispose()
    assert session_lent_by(connections) not in sessions
    assert ended(engine, sessions)
    old = Connections(engine, seconds=0)
    assert session_lent_by(old) != session_lent_by(old)


def test_threads_that_take_and_drop_concurrently_lose_no_connection(engine: Engine) -> None:
    connections = Connections(engine)
    errors: list[BaseException] = []

    def use() -> None:
        try:
            for turn in range(30):
                session_lent_by(connections)
                if turn % 5 == 0:
                    connections.give_up()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    connections.give_up()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
