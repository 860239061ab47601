"""Runs migrations: one process at a time, each step bounded in time, all in one transaction except
what is built concurrently.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from db.models import Table
from db.session import direct_url
from db.types import Amount, UtcDateTime

# Any constant will do, as long as every migrating process uses the same one.
MIGRATION_LOCK = 7_246_001
PATIENCE_SECONDS = 60


def render_plainly(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """Our column types as plain SQL types: migrations must not depend on today's code."""
    if isinstance(item, Amount):
        return "sa.BigInteger()"
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[None]:
    """Two starting servers would both find an empty database; the second must wait.

    It polls: a statement waiting for a lock would hold up CREATE INDEX CONCURRENTLY in the first
    one, which waits for all statements.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")):
            if time.monotonic() > deadline:
                raise RuntimeError("another process is still migrating this database")
            time.sleep(0.1)
        yield


def run_migrations() -> None:
    url = context.config.attributes.get("url") or direct_url()
    engine = create_engine(url, poolclass=NullPool)
    with one_at_a_time(engine), engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = '60s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Table.metadata,
            render_item=render_plainly,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
