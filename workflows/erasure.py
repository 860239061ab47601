"""Erases a person, in steps of which each may be repeated after a crash.

Unpaid payments are closed at their providers first, then what still runs is ended, then the rows
lose what leads to the person, and only then files are deleted: their rows say that they have to be,
so what a crash leaves is deleted by the workers' duty (workflows/files.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from uuid import UUID

from db import reading, transaction
from db.rows import UserRow
from db.types import now
from providers import registry
from providers.payments import ProviderError
from providers.storage import StorageUnavailable
from services import erasure, stored_files
from services.erasure import NotNow, StillActive
from services.stored_files import FIRST
from workflows import files, reconciler

log = logging.getLogger(__name__)

AT_ONCE = 16  # questions to the storage
MOST_TRIES = 3  # of somebody who orders again and again meanwhile


@dataclass(frozen=True)
class Erased:
    """How many files an erasure has deleted, and whether the workers have to delete others."""

    files_deleted: int
    files_left: bool


def erase(user_id: UUID) -> Erased:
    """Erase a person; a repeat does what was left undone.

    NotNow with what to do first; ValueError for nobody. Files that the storage does not delete now
    are deleted by the workers.
    """
    with reading() as reader:
        user = erasure.find(reader, str(user_id))
        erasure.require_possible(reader, user)
        pending = erasure.pending_payments(reader, user.id)
    for payment_id in pending:
        _close_at_provider(payment_id)
    found = _anonymize(user)
    with transaction() as session:
        erasure.forget_answers(session, user)
    log.info("person erased", extra={"user_id": str(user.id)})
    try:
        _note(user.id)
        return Erased(files.delete(found), files_left=False)
    except StorageUnavailable as error:
        log.warning(
            "files of an erased person are deleted later, repeat the erasure: %s",
            error,
            extra={"user_id": str(user.id)},
        )
        return Erased(0, files_left=True)


def erased_before() -> Iterator[UUID]:
    """People who are not erased and of whom the storage notes that they were: the database has been
    restored to a moment before. StorageUnavailable.
    """
    after = FIRST
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while people := _people_after(after):
            notes = pool.map(registry.storage().head, map(stored_files.note_of, people))
            yield from [who for who, note in zip(people, notes, strict=True) if note]
            after = people[-1]


def _people_after(after: UUID) -> list[UUID]:
    with reading() as reader:
        return stored_files.people(reader, after=after)


def _note(user_id: UUID) -> None:
    """Keep it outside of the database, by an id that leads to nobody: see erased_before()."""
    key = stored_files.note_of(user_id)
    registry.storage().put(key, BytesIO(b"erased\n"), content_type="text/plain")


def _close_at_provider(payment_id: UUID) -> None:
    try:
        reconciler.close(payment_id)
    except ProviderError as error:
        raise NotNow(
            "provider",
            f"nothing is erased yet: payment {payment_id} is unpaid, and its provider does not say"
            f" what has become of it; try again later ({error})",
        ) from error


def _anonymize(user: UserRow) -> list[UUID]:
    """The files that have to be deleted."""
    found: list[UUID] = []
    for last in range(1 - MOST_TRIES, 1):
        with transaction() as session:
            found = list({*found, *erasure.end(session, user.id)})
        try:
            with transaction() as session:
                erasure.anonymize(session, user.id, found, now=now())
            break
        except StillActive:
            if not last:
                raise NotNow("active", "this person goes on ordering: try again") from None
    return found
