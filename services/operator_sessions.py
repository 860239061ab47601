"""Sessions of operators: kept here, so that they can be listed and ended."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, UpdateBase, delete, select, update
from sqlalchemy.orm import Session

from db import Query, Reader, statement, write
from db.models import Operator, OperatorSession
from db.rows import OperatorSessionRow

IDLE, LONGEST = timedelta(hours=8), timedelta(hours=24)
# For how long a code of the second factor stands for money and for operators.
CONFIRMED = timedelta(minutes=10)
# Not at every request: `seen_at` need not be more exact.
SEEN_EVERY = timedelta(minutes=1)


def new_token() -> str:
    """A secret for a cookie or a one-time link: 32 random bytes."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of such a secret; it is too long to be guessed from that."""
    return sha256(token.encode()).hexdigest()


def start(session: Session, operator_id: UUID, *, address: str, agent: str, now: datetime) -> str:
    """A session of an operator who has just given password and code; returns its cookie."""
    token = new_token()
    session.add(
        OperatorSession(
            operator_id=operator_id,
            token_hash=token_hash(token),
            address=address,
            agent=agent[:200],
            created_at=now,
            seen_at=now,
            confirmed_at=now,
        )
    )
    session.flush()
    return token


def find(reader: Reader, token: str, *, now: datetime) -> OperatorSessionRow | None:
    """The live session of a cookie: not idle, not too long, of an operator who is not disabled."""
    return _of_token.one_or_none(reader, token_hash(token), now - IDLE, now - LONGEST)


def see(session: Session, session_id: UUID, *, now: datetime) -> None:
    """It is in use."""
    _see(session, session_id, now)


def confirm(session: Session, session_id: UUID, *, now: datetime) -> None:
    """Its operator has given a code again."""
    _confirm(session, session_id, now)


def is_confirmed(row: OperatorSessionRow, *, now: datetime) -> bool:
    """Whether its operator gave a code a moment ago."""
    return now - row.confirmed_at < CONFIRMED


def live(reader: Reader, *, now: datetime) -> list[OperatorSessionRow]:
    """Everybody's live sessions, those seen last first; they are few."""
    return _live.all(reader, now - IDLE, now - LONGEST)


def end(session: Session, session_id: UUID) -> bool:
    """End one; whether there was one."""
    return _end(session, session_id) == 1


def end_all(session: Session, operator_id: UUID) -> int:
    """End an operator's; how many."""
    return _end_all(session, operator_id)


def sweep(session: Session, *, now: datetime) -> int:
    """Delete those that are over; how many."""
    return _sweep(session, now - IDLE, now - LONGEST)


def _select(seen_after: datetime, begun_after: datetime) -> Select[*tuple[Any, ...]]:
    shown = OperatorSession.columns(OperatorSessionRow)
    return (
        select(*shown, Operator.name, Operator.role)
        .join(Operator, Operator.id == OperatorSession.operator_id)
        .where(
            OperatorSession.seen_at > seen_after,
            OperatorSession.created_at > begun_after,
            Operator.disabled_at.is_(None),
        )
    )


@statement(OperatorSessionRow)
def _of_token(token_hash: str, seen_after: datetime, begun_after: datetime) -> Query:
    return _select(seen_after, begun_after).where(OperatorSession.token_hash == token_hash)


@statement(OperatorSessionRow)
def _live(seen_after: datetime, begun_after: datetime) -> Query:
    return _select(seen_after, begun_after).order_by(OperatorSession.seen_at.desc())


@write
def _see(session_id: UUID, now: datetime) -> UpdateBase:
    return update(OperatorSession).where(OperatorSession.id == session_id).values(seen_at=now)


@write
def _confirm(session_id: UUID, now: datetime) -> UpdateBase:
    return update(OperatorSession).where(OperatorSession.id == session_id).values(confirmed_at=now)


@write
def _end(session_id: UUID) -> Delete:
    return delete(OperatorSession).where(OperatorSession.id == session_id)


@write
def _end_all(operator_id: UUID) -> Delete:
    return delete(OperatorSession).where(OperatorSession.operator_id == operator_id)


@write
def _sweep(seen_after: datetime, begun_after: datetime) -> Delete:
    return delete(OperatorSession).where(
        (OperatorSession.seen_at <= seen_after) | (OperatorSession.created_at <= begun_after)
    )
