"""A standby of an embedded PostgreSQL: a copy that follows it, and may take its place."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg2

from local.postgres import binaries, cluster
from local.postgres.embedded import EmbeddedPostgres
from tests.wire import wait_until


def make(primary: Path, url: str, folder: Path) -> EmbeddedPostgres:
    """A standby in `folder`, started, for which the server in the folder `primary`, with this URL,
    waits at each commit.
    """
    programs, password = binaries.find(), primary / "password"
    around = cluster.surroundings(cluster.data_folder(primary))
    folder.mkdir(mode=0o711)
    shutil.copy(password, folder / "password")
    data = folder / "data"
    data.mkdir(mode=0o700)
    if "user" in around:
        shutil.chown(data, around["user"], around["group"])
    subprocess.run(
        [
            *(programs.bin / "pg_basebackup", "--pgdata", data, "--checkpoint=fast"),
            *("--wal-method=stream", "--write-recovery-conf", "--dbname", _dsn(url)),
        ],
        check=True,
        timeout=120,
        **around,
    )
    copy = EmbeddedPostgres(folder)
    copy.start()
    sql(url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    sql(url, "SELECT pg_reload_conf()")
    wait_until(lambda: sql(url, "SELECT sync_state FROM pg_stat_replication") == "sync")
    return copy


def sql(url: str, statement: str) -> Any:
    """The one value that a statement returns, in a connection of its own."""
    connection = psycopg2.connect(_dsn(url))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return (cursor.fetchone() or (None,))[0] if cursor.description else None
    finally:
        connection.close()


def _dsn(url: str) -> str:
    return url.replace("+psycopg2", "", 1)
