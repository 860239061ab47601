"""Compares the storage with the rows, both ways, in bounded memory; slow, and made by operators.

Rows come before files in everything that we do, so that a file without a row is the work of a
restore to an earlier moment, or of a standby that took over and had missed the last seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from db import snapshot
from providers import registry
from services import stored_files
from services.stored_files import FIRST, KeptFile

SHORTEST = timedelta(hours=1)  # a row may be on its way for so long
AT_ONCE = 16  # questions to a store


class Batch(NamedTuple):
    """A part of what is stored: how many, and the names of those that no row knows."""

    stored: int
    unknown: list[str]


class Looked(NamedTuple):
    """A part of the rows: how many, and those whose file should be stored and is not."""

    rows: int
    lost: list[KeptFile]


def orphans(older_than: timedelta) -> Iterator[Batch]:
    """What is stored for longer than that, batch by batch. StorageUnavailable.

    In a bucket only what is named as photos are: backups may be beside them.
    ValueError for less than SHORTEST: what is just being uploaded would be among it.
    """
    if older_than < SHORTEST:
        raise ValueError("a file younger than an hour may get its row yet: ask for older ones")
    store = registry.storage()
    for names in store.names(older_than_seconds=int(older_than.total_seconds())):
        ours = names if store.hashed else stored_files.named_as_photos(names)
        with snapshot() as session:
            unknown = stored_files.unknown(session, ours, hashed=store.hashed)
        yield Batch(len(ours), unknown)


def delete_orphans(older_than: timedelta) -> int:
    """Delete what no row knows; returns how many. StorageUnavailable."""
    deleted = 0
    for batch in orphans(older_than):
        for name in batch.unknown:
            registry.storage().remove(name)
        deleted += len(batch.unknown)
    return deleted


def missing() -> Iterator[Looked]:
    """Rows whose file should be stored, batch by batch. StorageUnavailable."""
    after = FIRST
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while rows := _confirmed_after(after):
            found = pool.map(registry.storage().head, [row.storage_key for row in rows])
            lost = [row for row, head in zip(rows, found, strict=True) if head is None]
            yield Looked(len(rows), lost)
            after = rows[-1].id


def _confirmed_after(after: UUID) -> list[KeptFile]:
    with snapshot() as session:
        return stored_files.confirmed(session, after=after)
