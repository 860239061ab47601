"""Separate databases for tests that must start empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg2
from sqlalchemy.engine import make_url


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """URL of a new database on the server of this URL; dropped after the block."""
    name = f"test_{uuid4().hex[:8]}"
    url = make_url(server)
    plain = url.set(drivername="postgresql")
    connection = psycopg2.connect(plain.render_as_string(hide_password=False))
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.close()
