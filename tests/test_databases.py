"""The databases of the tests: what a module is given works, whoever is still at the one before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
from sqlalchemy import text
from sqlalchemy.engine import make_url

from db import connections, reading, transaction
from tests import databases
from tests.wire import wait_until

WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'pg_database'::regclass"


def test_a_new_database_is_reached_though_a_thread_was_at_the_old_one_to_its_end(
    database: str,
) -> None:
    """As the one that tells workers of new jobs may be, after the last test of a module."""
    connections.engine()
    server = make_url(database).set(drivername="postgresql", database="postgres")
    with (
        ThreadPoolExecutor(1) as pool,
        # Closed first, whatever fails: only then does the pool's thread come to its end.
        closing(psycopg2.connect(server.render_as_string(hide_password=False))) as holder,
    ):
        cursor = holder.cursor()
        cursor.execute("LOCK TABLE pg_database IN SHARE MODE")  # nothing is dropped

        def is_waited_for() -> bool:
            cursor.execute(WAITING)
            return bool(cursor.fetchall())

        renewed = pool.submit(databases.renew, database)
        wait_until(is_waited_for)
        # In the wrong order they have been forgotten now, before the old database is gone.
        with reading() as reader:
            reader.execute(text("SELECT 1"))
        holder.rollback()
        renewed.result()
    with transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 0
