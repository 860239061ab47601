"""The stack of `make chaos ARGS=--pooler`."""

from __future__ import annotations

from dataclasses import replace

from db.session import set_limits
from local.pgbouncer import Pooler
from local.postgres.embedded import EmbeddedPostgres
from local.stack import Stack
from settings.databases import in_psycopg2


class PooledStack(Stack):
    """With PgBouncer between its programs and its database."""

    def _start_database(self, postgres: EmbeddedPostgres) -> None:
        super()._start_database(postgres)
        direct = self.settings.database_url
        self.pooler = Pooler(self.settings.state_dir / "pooler", direct)
        self.pooler.start()
        self.settings = replace(
            self.settings, database_url=self.pooler.url, database_direct_url=direct
        )

    def _prepare_database(self) -> None:
        pooled = self.settings
        self.settings = replace(pooled, database_url=pooled.database_direct_url)
        super()._prepare_database()
        self.settings = pooled
        set_limits(in_psycopg2(pooled.database_direct_url))

    def stop(self) -> None:
        """Stop the programs, then the database, then what led to it."""
        super().stop()
        self.pooler.stop()
