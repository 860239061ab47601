"""Databases of the tests, all on one server; a module's own is cloned from a seeded template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from uuid import uuid4

import psycopg2
from sqlalchemy import text
from sqlalchemy.engine import make_url

from db import connections, reading
from db.models import Table
from errors import ApiError
from local.database import prepare
from settings.databases import plain
from tests.wire import wait_until

TEMPLATE = "seeded"
SEEDED = {"alembic_version", "engines", "generation_models", "tariffs"}


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """URL of a new database on the server of this URL; dropped after the block."""
    name = f"test_{uuid4().hex[:8]}"
    _administer(server, f"CREATE DATABASE {name}")
    try:
        yield _named(server, name)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def make_template(server: str) -> None:
    """Make what `renew` clones: migrated and seeded, on the server of this URL."""
    _administer(server, f"CREATE DATABASE {TEMPLATE}")
    url = _named(server, TEMPLATE)
    prepare(url)


def limit_all(server: str) -> None:
    """Limits of sessions in every database, as a pooler passes none on: see set_limits().

    Those of one database would go with it.
    """
    for name, value in connections.SESSION.items():
        _execute(server, f"ALTER ROLE CURRENT_USER SET {name} = '{value}'")


def past_the_pooler(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings of a program; if it has a database of its own, without DATABASE_DIRECT_URL of a run
    with --pooler, which leads to another one.
    """
    return {"DATABASE_DIRECT_URL": "", **environ} if "DATABASE_URL" in environ else dict(environ)


def renew(database: str) -> None:
    """Replace the database of this URL by a new clone; whoever is connected is cut off."""
    # Nobody is connected to the template, and its pages need not go through the log.
    _replace(database, f"TEMPLATE {TEMPLATE} STRATEGY file_copy")
    if connections.database_url() != connections.direct_url():
        # A pooler hands out the connections that were cut off until it has seen that.
        wait_until(_is_reached)


def replace_by_nothing(database: str) -> None:
    """Replace the database of this URL by an empty one, for a dump to be restored into."""
    _replace(database)


def _replace(database: str, options: str = "") -> None:
    name = make_url(database).database
    _administer(
        database,
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} {options}",
    )
    # Only now: a thread that tells workers of the last jobs may have connected until the end.
    forget_connections()


def empty(database: str) -> None:
    """Delete everybody's rows, for tests that must not meet those of the test before."""
    tables = [name for name in Table.metadata.tables if name not in SEEDED]
    # Neither foreign keys nor the triggers that keep the ledger for ever stand in the way.
    unguarded = "SET LOCAL session_replication_role = replica"
    _execute(database, ";".join([unguarded, *(f"DELETE FROM {name}" for name in tables)]))


def forget_connections() -> None:
    """Close those of this process."""
    connections.direct_engine(connections.direct_url()).dispose()
    connections.engine().dispose()
    connections.engine.cache_clear()


def _is_reached() -> bool:
    try:
        with reading() as reader:
            reader.execute(text("SELECT 1"))
    except ApiError:
        return False
    return True


def _administer(url: str, *statements: str) -> None:
    """Statements about whole databases, of which each must be alone."""
    _execute(_named(url, "postgres"), *statements)


def _execute(url: str, *statements: str) -> None:
    # Databases take as long as they take.
    with closing(psycopg2.connect(plain(url), options="-c statement_timeout=0")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
