"""Servers whose data nobody keeps: those of the demo, of benches, judges, chaos and tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.postgres import cluster
from local.postgres.binaries import EmbeddedPostgresError
from local.postgres.embedded import running_url

# Lines of postgresql.conf where durable writes would only measure this machine's disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def remove(folder: Path) -> None:
    """Delete the server of `folder` with all its data. EmbeddedPostgresError while it runs."""
    if running_url(folder) is not None:
        raise EmbeddedPostgresError(f"PostgreSQL of {folder} is running, its data is kept")
    # Where root's data had to go elsewhere, only a link to it is in the folder.
    shutil.rmtree(cluster.data_folder(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def state_folder(purpose: str) -> Iterator[Path]:
    """A state folder during the block; its server, if any, is in `postgres` and must have stopped.

    Not a folder of pytest's: those are 0700, and root's server is another user.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"livephoto-{purpose}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
