"""Waiting workers are woken after the commit, for many orders at once, and by every process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
import pytest

from db import notifications, transaction
from settings.databases import plain
from tests.wire import wait_until

ROOT = Path(__file__).parents[2]
THERE_IS = "SELECT true"
ANNOUNCE = """
from db import notifications, transaction
with transaction() as session:
    notifications.announce(session)
"""

FORK = (
    ANNOUNCE
    + """
import os
from db.connections import engine
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    engine().dispose(close=False)  # the connections stay the parent's
    with transaction() as session:
        notifications.announce(session)
"""
)


@pytest.fixture
def heard(database: str) -> Iterator[Any]:
    """A connection that hears what workers hear."""
    connection = psycopg2.connect(plain(database))
    connection.autocommit = True
    connection.cursor().execute(f"LISTEN {notifications.JOB_CHANNEL}")
    yield connection
    connection.close()


def count(connection: Any) -> int:
    connection.poll()
    return len(connection.notifies)


def announce() -> None:
    with transaction() as session:
        notifications.announce(session)


def test_a_worker_that_waits_goes_on_once_a_job_is_committed(database: str) -> None:
    with notifications.Listener(THERE_IS) as listener:
        listener.wait(0, threading.Event())  # it listens from here on
        waiting = threading.Thread(target=listener.wait, args=(300, threading.Event()))
        waiting.start()
        announce()
        waiting.join(60)
        assert not waiting.is_alive()


def test_a_worker_that_finds_the_job_taken_goes_on_waiting(heard: Any) -> None:
    def looks() -> int:
        with heard.cursor() as cursor:
            cursor.execute("SELECT last_value FROM events_sequence")
            return cursor.fetchone()[0]

    with notifications.Listener("SELECT nextval('events_sequence') < 0") as listener:
        assert not listener.wait(0, threading.Event())
        stopping, before = threading.Event(), looks()
        waiting = threading.Thread(target=listener.wait, args=(300, stopping))
        waiting.start()
        announce()
        wait_until(lambda: looks() > before)
        assert waiting.is_alive()
        stopping.set()
        waiting.join(60)


@pytest.mark.parametrize("others", [0, 4])
def test_of_many_workers_each_gives_some_of_the_others_a_start(database: str, others: int) -> None:
    asked = []

    class Chance(Random):
        def uniform(self, a: float, b: float) -> float:
            asked.append((a, b))
            return a

    with ExitStack() as stack:
        for _ in range(others):
            other = psycopg2.connect(plain(database), application_name=notifications.LISTENER)
            stack.callback(other.close)
        listener = stack.enter_context(notifications.Listener(THERE_IS, Chance()))
        listener.wait(0, threading.Event())  # it listens from here on
        announce()
        listener.wait(300, threading.Event())
    assert asked == [(0, others * notifications.SPREAD_SECONDS)]


def test_what_comes_within_a_moment_is_told_together(heard: Any) -> None:
    for _ in range(100):
        announce()
    wait_until(lambda: count(heard) > 0)
    told_so_far = count(heard)
    announce()
    wait_until(lambda: count(heard) > told_so_far)
    assert count(heard) < 50


def test_a_command_that_ends_at_once_has_told_the_workers(heard: Any, database: str) -> None:
    environment = os.environ | {"DATABASE_URL": database}
    subprocess.run([sys.executable, "-c", ANNOUNCE], cwd=ROOT, env=environment, check=True)
    wait_until(lambda: count(heard) == 1)


def test_a_process_made_by_a_fork_tells_the_workers_itself(heard: Any, database: str) -> None:
    environment = os.environ | {"DATABASE_URL": database}
    subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, env=environment, check=True, timeout=60)
    wait_until(lambda: count(heard) == 2)
