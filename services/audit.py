"""What operators did, by page or by command: written in the transaction of the action, for ever."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict, Unpack

from sqlalchemy import Text, bindparam, select
from sqlalchemy.orm import Session

from db import Query, Reader, statement
from db.models import AuditEntry
from db.rows import AuditEntryRow
from services import paging
from telemetry import logs


class Actor(NamedTuple):
    """Who acts: an operator of the console, or whoever may run commands on the machine."""

    name: str
    role: str
    address: str | None = None


class Filters(TypedDict, total=False):
    """What a list of entries may be narrowed by; None is no filter."""

    who: str | None
    action: str | None
    target: str | None
    request_id: str | None
    since: datetime | None
    until: datetime | None


OF_TARGET = 20  # actions that the page of a thing shows
# Set by whoever lets somebody in: cli.py for a command, the console for a request.
actor: ContextVar[Actor] = ContextVar("actor")


@dataclass
class Entry:
    """One action to be recorded: `noun.verb`, and what it is done to as `noun:id`.

    before, after: what it changed, without names and secrets. note: how it ended, in words.
    """

    action: str
    target: str | None = None
    reason: str | None = None
    key: str | None = None
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    note: str | None = None

    def tell(self, target: str, **after: object) -> None:
        """Say what was made or changed, once it is known."""
        self.target, self.after = target, after

    def compare(self, row: object, changes: Mapping[str, object]) -> None:
        """Keep the values that a row had before these changes, and the new ones."""
        self.before = {name: getattr(row, name) for name in changes}
        self.after = dict(changes)


def write(
    session: Session, entry: Entry, outcome: str = "done", *, by: Actor | None = None
) -> None:
    """Record an action of the current actor or of `by`; LookupError when nobody was let in."""
    who = by or actor.get()
    session.add(
        AuditEntry(
            who=who.name,
            role=who.role,
            address=who.address,
            action=entry.action,
            target=entry.target,
            reason=entry.reason,
            key=entry.key,
            before=_plain(entry.before),
            after=_plain(entry.after),
            note=entry.note,
            outcome=outcome,
            request_id=logs.request_id.get(),
        )
    )
    session.flush()


def listed(
    reader: Reader, *, limit: int, cursor: str | None = None, **filters: Unpack[Filters]
) -> paging.Page[AuditEntryRow]:
    """Entries, newest first, that satisfy every filter given.

    ApiError `bad_request` for a cursor that no page gave out.
    """
    return _LISTED.page(reader, limit=limit, cursor=cursor, **filters)


def of_target(reader: Reader, target: str, *, limit: int = OF_TARGET) -> list[AuditEntryRow]:
    """The newest actions on one thing, for its page."""
    return _of_target.all(reader, target, limit)


def _plain(values: Mapping[str, object] | None) -> dict[str, Any] | None:
    """As JSON can hold them: an amount is text, as no amount may be rounded."""
    if values is None:
        return None
    kept = (str, int, bool, list, dict, type(None))
    return {name: v if isinstance(v, kept) else str(v) for name, v in values.items()}


@statement(AuditEntryRow)
def _of_target(target: str, limit: int) -> Query:
    return (
        select(*AuditEntry.columns(AuditEntryRow))
        .where(AuditEntry.target == target)
        .order_by(AuditEntry.number.desc())
        .limit(limit)
    )


_LISTED = paging.Filtered(
    AuditEntryRow,
    select(*AuditEntry.columns(AuditEntryRow)),
    {AuditEntry.number: paging.number},
    who=AuditEntry.who == bindparam("who", type_=Text),
    action=AuditEntry.action == bindparam("action", type_=Text),
    target=AuditEntry.target == bindparam("target", type_=Text),
    request_id=AuditEntry.request_id == bindparam("request_id", type_=Text),
    **paging.period(AuditEntry.at),
)
