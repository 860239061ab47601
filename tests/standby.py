"""A standby of an embedded PostgreSQL: a copy that follows it, and may take its place."""

from __future__ import annotations

import shutil
from pathlib import Path

from local.postgres import cluster, replication
from local.postgres.embedded import EmbeddedPostgres
from local.postgres.replication import sql
from tests.wire import wait_until

__all__ = ["make", "sql"]


def make(primary: Path, url: str, folder: Path) -> EmbeddedPostgres:
    """A standby in `folder`, started, for which the server in the folder `primary`, with this URL,
    waits at each commit.
    """
    around = cluster.surroundings(cluster.data_folder(primary))
    folder.mkdir(mode=0o711)
    shutil.copy(primary / "password", folder / "password")
    data = folder / "data"
    data.mkdir(mode=0o700)
    if "user" in around:
        shutil.chown(data, around["user"], around["group"])
    replication.copy(url, data)
    copy = EmbeddedPostgres(folder)
    copy.start()
    sql(url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    sql(url, "SELECT pg_reload_conf()")
    wait_until(lambda: sql(url, "SELECT sync_state FROM pg_stat_replication") == "sync")
    return copy
