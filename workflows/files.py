"""Deletes files from the storage after their rows say so; what a crash leaves is deleted later."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from db import transaction
from db.types import now
from providers import registry
from services import data

TURN_SECONDS = 10  # jobs wait meanwhile


def delete_expired() -> int:
    """Delete files that are too old, or whose deletion was cut off; returns how many."""
    end, deleted, batch = time.monotonic() + TURN_SECONDS, 0, data.AT_ONCE
    while batch == data.AT_ONCE and time.monotonic() < end:
        # First make them unusable, then delete the bytes, then record that: a crash in between
        # leaves them on the list.
        with transaction() as session:
            data.expire(session, now=now())
            doomed = data.purgeable(session)
        batch = _delete(doomed)
        deleted += batch
    return deleted


def delete(data_ids: Sequence[UUID]) -> int:
    """Delete those of these files that are marked as deleted; returns how many were still there.

    StorageUnavailable.
    """
    deleted = 0
    for start in range(0, len(data_ids), data.AT_ONCE):
        with transaction() as session:
            some = data_ids[start : start + data.AT_ONCE]
            doomed = data.purgeable(session, among=some)
        deleted += _delete(doomed)
    return deleted


def _delete(doomed: list[tuple[UUID, str]]) -> int:
    for _, key in doomed:
        registry.storage().delete(key)
    if doomed:
        with transaction() as session:
            data.purged(session, [data_id for data_id, _ in doomed], now=now())
    return len(doomed)
