"""Forms of the console act once: a double click, a reload and a way back get what was said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Delete, UpdateBase, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Query, Reader, statement, write
from db.models import FormKey

KEPT = timedelta(days=2)


class Sent(NamedTuple):
    """A form that was sent before, and what was said then; None when it has not ended yet."""

    said: str | None


def claim(session: Session, key: str, operator_id: UUID, *, now: datetime) -> Sent | None:
    """Take the key of a form for its one action: None, or what was sent with it before.

    A second one at the same moment waits on the primary key until the first has committed.
    ValueError for the key of another operator.
    """
    values = {"key": key, "operator_id": operator_id, "created_at": now}
    new = insert(FormKey).values(**values).on_conflict_do_nothing().returning(FormKey.key)
    if session.scalar(new) is not None:
        return None
    earlier = _of.one_or_none(session, key, operator_id)
    if earlier is None:
        raise ValueError("this form belongs to another operator")
    return earlier


def settle(session: Session, key: str, said: str) -> None:
    """The action is done; `said` is shown to whoever sends the form again."""
    _settle(session, key, said)


def release(session: Session, key: str) -> None:
    """The action was refused and changed nothing: the form may be sent again."""
    _release(session, key)


def find(reader: Reader, key: str, operator_id: UUID) -> Sent | None:
    """What an operator's own form led to; None when there is no such form."""
    return _of.one_or_none(reader, key, operator_id)


def sweep(session: Session, *, now: datetime) -> int:
    """Forget old ones; how many."""
    return _sweep(session, now - KEPT)


@statement(Sent)
def _of(key: str, operator_id: UUID) -> Query:
    return select(FormKey.said).where(FormKey.key == key, FormKey.operator_id == operator_id)


@write
def _settle(key: str, said: str) -> UpdateBase:
    return update(FormKey).where(FormKey.key == key).values(said=said)


@write
def _release(key: str) -> Delete:
    return delete(FormKey).where(FormKey.key == key, FormKey.said.is_(None))


@write
def _sweep(before: datetime) -> Delete:
    return delete(FormKey).where(FormKey.created_at < before)
