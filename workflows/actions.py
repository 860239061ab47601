"""What an operator does, and the audit entry of it: both are kept, or neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from db import schema, transaction
from services import audit
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def recorded(entry: Entry) -> Iterator[Session]:
    """One transaction for an action and its entry; what raises leaves neither."""
    with transaction() as session:
        schema.require(session)
        yield session
        audit.write(session, entry)


@contextmanager
def announced(entry: Entry) -> Iterator[Entry]:
    """Around an action that calls the outside: an entry that it begins, then one how it ended.

    After a crash in between the first one is there, and a provider may have done what it says.
    """
    with transaction() as session:
        schema.require(session)
        audit.write(session, entry, "begun")
    try:
        yield entry
    except Exception as error:
        entry.note = str(error)
        with transaction() as session:
            audit.write(session, entry, "failed")
        raise
    with transaction() as session:
        audit.write(session, entry)
