"""Runs migrations: one process at a time, each step bounded in time, one transaction for all."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from db.models import Table
from db.session import database_url
from db.types import Amount, UtcDateTime

# Any constant will do, as long as every migrating process uses the same one.
MIGRATION_LOCK = 7_246_001


def render_plainly(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """Our column types as what they are in SQL: migrations must not depend on today's code."""
    if isinstance(item, Amount):
        return "sa.BigInteger()"
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


def run_migrations() -> None:
    url = context.config.attributes.get("url") or database_url()
    with create_engine(url, poolclass=NullPool).connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = '60s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Table.metadata,
            render_item=render_plainly,
        )
        with context.begin_transaction():
            # Two starting servers would both find an empty database; the second must wait.
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()


run_migrations()
