"""The databases of the tests: what a module is given works, whoever is still at the one before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
from sqlalchemy import text
from sqlalchemy.engine import make_url

from db import connections, reading, transaction
from tests import databases

SOON = 0.5


def test_a_new_database_is_reached_though_a_thread_was_at_the_old_one_to_its_end(
    database: str,
) -> None:
    """As the one that tells workers of new jobs may be, after the last test of a module."""
    before = connections.engine()
    server = make_url(database).set(drivername="postgresql", database="postgres")
    with (
        ThreadPoolExecutor(1) as pool,
        # Closed first, whatever fails: only then does the pool's thread come to its end.
        closing(psycopg2.connect(server.render_as_string(hide_password=False))) as holder,
    ):
        holder.cursor().execute("LOCK TABLE pg_database IN SHARE MODE")  # nothing is dropped
        renewed = pool.submit(databases.renew, database)
        deadline = time.monotonic() + SOON
        # In the wrong order they are forgotten now, before the old database is gone.
        while connections.engine() is before and time.monotonic() < deadline:
            time.sleep(0.01)
        with reading() as reader:
            reader.execute(text("SELECT 1"))
        holder.rollback()
        renewed.result()
    with transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 0
