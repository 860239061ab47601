"""Erases a person, in steps of which each may be repeated after a crash.

Unpaid payments are closed at their providers first, then what still runs is ended, then the rows
lose what leads to the person, and only then files are deleted: their rows say that they have to be,
so what a crash leaves is deleted by the workers' duty (workflows/files.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from db import reading, transaction
from db.rows import UserRow
from db.types import now
from providers.payments import ProviderError
from services import erasure
from services.erasure import StillActive
from workflows import files, reconciler

log = logging.getLogger(__name__)

MOST_TRIES = 3  # of somebody who orders again and again meanwhile


@dataclass(frozen=True)
class Erased:
    """Whom an erasure was about, and how many of the files are deleted already."""

    user_id: UUID
    files: int
    files_deleted: int


def erase(user_id: UUID) -> Erased:
    """Erase a person; a repeat does what was left undone.

    ValueError with what to do first when it must not be done now, for nobody, or when a provider
    does not say what has become of an unpaid payment; StorageUnavailable after all but the deletion
    of files, which the workers do then.
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
    log.info("person erased", extra={"user_id": str(user.id), "files": len(found)})
    return Erased(user.id, len(found), files.delete(found))


def _close_at_provider(payment_id: UUID) -> None:
    try:
        reconciler.close(payment_id)
    except ProviderError as error:
        raise ValueError(
            f"nothing is erased yet: payment {payment_id} is unpaid, and its provider does not say"
            f" what has become of it; try again later ({error})"
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
                raise ValueError("this person goes on ordering: try again") from None
    return found
