"""A login: counted, compared, and only then a session. Comparing takes no connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from db import transaction
from db.rows import OperatorSessionRow
from services import audit, login_waits, operator_sessions, operators, passwords
from services.audit import Actor, Entry
from services.operators import Secrets

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class LoginRefused(Exception):
    """Name, password or code is wrong, and which of them is not said; or it is too early.

    `wait`: how long nothing is even compared.
    """

    def __init__(self, wait: timedelta | None = None) -> None:
        super().__init__("too early" if wait else "wrong")
        self.wait = wait


@dataclass(frozen=True)
class Visitor:
    """Where a login comes from: address and browser."""

    address: str
    agent: str


def log_in(name: str, password: str, code: str, visitor: Visitor, *, now: datetime) -> str:
    """The cookie of a new session; LoginRefused. See services/login_waits.py for the waits."""
    with transaction() as session:
        found = operators.secrets_of(session, name)
        subjects = _subjects(name, found, visitor)
        if wait := login_waits.attempt(session, subjects, now=now):
            raise LoginRefused(wait)
    kept = found.password_hash if found and not found.disabled_at else None
    if not passwords.matches(password, kept) or found is None or kept is None:
        raise LoginRefused
    with transaction() as session:
        if not operators.accept_code(session, found.id, found.totp_secret, code, now):
            raise LoginRefused
        login_waits.forgive(session, subjects)
        if passwords.is_outdated(kept):
            operators.keep_password(session, found.id, password)
        return _start(session, found, visitor, now=now)


def come_in(
    token: str, password: str, code: str, visitor: Visitor, *, now: datetime
) -> tuple[str, list[str]]:
    """First login, through a link: the cookie of a session, and the recovery codes.

    LookupError for a link that leads nowhere, ValueError for a weak password or a wrong code,
    LoginRefused when this address has tried too often.
    """
    subjects = [login_waits.address_subject(visitor.address)]
    with transaction() as session:
        found = operators.of_link(session, token, now=now)
        if wait := login_waits.attempt(session, subjects, now=now):
            raise LoginRefused(wait)
    if found is None:
        raise LookupError("the link leads nowhere")
    with transaction() as session:
        codes = operators.come_in(session, token, password, code, now=now)
        login_waits.forgive(session, subjects)
        return _start(session, found, visitor, now=now), codes


def confirm(row: OperatorSessionRow, code: str, visitor: Visitor, *, now: datetime) -> None:
    """A code again, within a session: it stands for a while. LoginRefused as at a login."""
    subjects = [
        login_waits.session_subject(row.id),
        login_waits.address_subject(visitor.address),
    ]
    with transaction() as session:
        found = operators.secrets_of(session, row.name)
        if wait := login_waits.attempt(session, subjects, now=now):
            raise LoginRefused(wait)
    if found is None:
        raise LoginRefused
    with transaction() as session:
        if not operators.accept_code(session, found.id, found.totp_secret, code, now):
            raise LoginRefused
        login_waits.forgive(session, subjects)
        operator_sessions.confirm(session, row.id, now=now)


def _subjects(name: str, found: Secrets | None, visitor: Visitor) -> list[str]:
    """Whose failures count: not those of the name, where its owner came from this address before.

    Otherwise a stranger who guesses at a name without pause could keep its owner out.
    """
    address = login_waits.address_subject(visitor.address)
    at_home = found is not None and found.last_address == visitor.address
    return [address] if at_home else [login_waits.name_subject(name), address]


def _start(session: Session, operator: Secrets, visitor: Visitor, *, now: datetime) -> str:
    operators.note_login(session, operator.id, visitor.address, now=now)
    row = operators.by_name(session, operator.name)
    who = Actor(row.name, row.role, visitor.address)
    audit.write(session, Entry("session.begin", f"operator:{row.name}"), by=who)
    return operator_sessions.start(
        session, operator.id, address=visitor.address, agent=visitor.agent, now=now
    )
