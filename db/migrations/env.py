"""Runs migrations while the product works: one process at a time, each in a transaction of its own
except what is built concurrently, none that makes others wait for a lock.
"""

import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from alembic.runtime.migration import MigrationContext
from psycopg2.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from db import schema
from db.connections import direct_url
from db.models import Table
from db.types import Amount, UtcDateTime

# Any constant will do, as long as every migrating process uses the same one.
MIGRATION_LOCK = 7_246_001
PATIENCE_SECONDS = 60
# All that use a table queue up behind an ALTER TABLE that waits for one of them. It gives way
# before they give up, which they do after two seconds, and comes back. A migration that builds
# concurrently, in whose way nobody is, sets others and then RESETs them.
LIMITS = "-c lock_timeout=500ms -c statement_timeout=60s"
TRIES_SECONDS = 120


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


def mark_oldest_code(*, ctx: MigrationContext, heads: Collection[str], **_: Any) -> None:
    """Tell servers of older versions, which know nothing of these migrations, whether they still
    work: those that break them name the `oldest_code` that does.
    """
    reset_limits(ctx)
    script = context.script
    applied = [each.module for head in heads for each in script.walk_revisions("base", head)]
    oldest = max((getattr(each, "oldest_code", "") for each in applied), default="")
    comment = f"'{schema.OLDEST_CODE}{oldest}'" if oldest else "NULL"
    ctx.execute(f"COMMENT ON TABLE {schema.VERSIONS} IS {comment}")


def reset_limits(runs: Connection | MigrationContext) -> None:
    """The next migration begins with ours, whatever the one before has set."""
    runs.execute(text("RESET lock_timeout"))
    runs.execute(text("RESET statement_timeout"))


def run_patiently(connection: Connection) -> None:
    """Run what is missing; whatever was cut off by a lock that others hold is run again."""
    deadline = time.monotonic() + TRIES_SECONDS
    while True:
        reset_limits(connection)
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Table.metadata,
            render_item=render_plainly,
            transaction_per_migration=True,
            on_version_apply=mark_oldest_code,
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
            return
        except OperationalError as error:
            held = isinstance(error.orig, (LockNotAvailable, DeadlockDetected))
            if not held or time.monotonic() > deadline:
                raise
        connection.rollback()
        time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 no secret


def run_migrations() -> None:
    url = context.config.attributes.get("url") or direct_url()
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": LIMITS})
    with one_at_a_time(engine), engine.connect() as connection:
        run_patiently(connection)


run_migrations()
