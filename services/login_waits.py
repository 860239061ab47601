"""How long a name and an address wait after failed logins; nobody is ever locked out for good."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from sqlalchemy import Delete, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import write
from db.models import LoginFailure

FREE_FAILURES = 5
# A name waits less: whoever guesses at it must not keep its owner out.
LONGEST_WAIT = {
    "name": timedelta(minutes=1),
    "address": timedelta(minutes=15),
    "session": timedelta(minutes=15),
}
FORGOTTEN_AFTER = timedelta(days=1)


def attempt(session: Session, subjects: list[str], *, now: datetime) -> timedelta | None:
    """Count a login as failed before anything is compared; None, or how long it must wait first.

    So a hundred at once are counted one after the other, as each takes the locks of its subjects.
    One that must wait is not counted: waiting makes the wait no longer. A login that succeeds calls
    forgive(). subjects: of name_subject(), address_subject() and session_subject().
    """
    rows = [_locked(session, subject, now) for subject in sorted(subjects)]
    waits = [row.last_at + _wait(row) - now for row in rows]
    if (longest := max(waits)) > timedelta(0):
        return longest
    for row in rows:
        row.failures = 1 if now - row.last_at > FORGOTTEN_AFTER else row.failures + 1
        row.last_at = now
    return None


def forgive(session: Session, subjects: list[str]) -> None:
    """The login of these subjects succeeded."""
    for subject in sorted(subjects):  # in the order of attempt(), so that two never deadlock
        _forgive(session, subject)


def sweep(session: Session, *, now: datetime) -> int:
    """Forget failures that count no more; how many."""
    return _sweep(session, now - FORGOTTEN_AFTER)


def name_subject(name: str) -> str:
    """Under what the failures of a name are counted, whether or not an operator has it."""
    return f"name:{name[:64]}"


def session_subject(session_id: UUID) -> str:
    """Under what wrong codes within a session are counted: who has no session cannot add to them,
    and so keeps nobody from confirming.
    """
    return f"session:{session_id}"


def address_subject(address: str) -> str:
    """Under what the failures from an address are counted; of IPv6 a household has a /64."""
    try:
        known = ip_address(address)
    except ValueError:
        return f"address:{address[:64]}"
    wide = ip_network((known, 64), strict=False) if isinstance(known, IPv6Address) else known
    return f"address:{wide}"


def _locked(session: Session, subject: str, now: datetime) -> LoginFailure:
    # One statement, since another login may forgive, and so delete, the row between two.
    new = insert(LoginFailure).values(subject=subject, failures=0, last_at=now)
    kept = new.on_conflict_do_update(
        index_elements=["subject"], set_={"failures": LoginFailure.failures}
    )
    return session.scalars(
        kept.returning(LoginFailure), execution_options={"populate_existing": True}
    ).one()


def _wait(row: LoginFailure) -> timedelta:
    if row.failures < FREE_FAILURES:
        return timedelta(0)
    doublings = min(row.failures - FREE_FAILURES, 20)
    return min(timedelta(seconds=2**doublings), LONGEST_WAIT[row.subject.partition(":")[0]])


@write
def _forgive(subject: str) -> Delete:
    return delete(LoginFailure).where(LoginFailure.subject == subject)


@write
def _sweep(before: datetime) -> Delete:
    return delete(LoginFailure).where(LoginFailure.last_at < before)
