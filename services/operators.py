"""Operators of the console: who they are, and the one-time links through which they come in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, UpdateBase, any_, func, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import Query, Reader, scalar, statement, write
from db.models import Operator
from db.rows import OperatorRow
from services import operator_sessions, passwords, second_factor
from services.operator_sessions import new_token, token_hash

LINK_LIFETIME = timedelta(hours=24)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


class Secrets(NamedTuple):
    """What a login is compared with: see db.models.Operator."""

    id: UUID
    name: str
    password_hash: str | None
    totp_secret: str
    last_address: str | None
    disabled_at: datetime | None


def add(session: Session, name: str, role: str, *, now: datetime) -> str:
    """A new operator; returns the token of the one-time link with which they come in.

    ValueError for a name that is taken or cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 2 to 32 of a-z, 0-9, dot, dash and underscore")
    token = new_token()
    values = {"name": name, "role": role, "totp_secret": second_factor.new_secret()}
    link = {"link_hash": token_hash(token), "link_expires_at": now + LINK_LIFETIME}
    added = insert(Operator).values(**values, **link).on_conflict_do_nothing()
    if session.scalar(added.returning(Operator.id)) is None:
        raise ValueError("there is an operator of this name already")
    return token


def reset(session: Session, name: str, *, role: str | None, now: datetime) -> str:
    """A new link, password and second factor; whoever was disabled may come again.

    Their sessions end. ValueError when there is no such operator.
    """
    token = new_token()
    operator = _locked(session, name)
    operator.password_hash = operator.disabled_at = operator.last_address = None
    operator.totp_secret, operator.recovery_hashes = second_factor.new_secret(), []
    operator.link_hash, operator.link_expires_at = token_hash(token), now + LINK_LIFETIME
    operator.role = role or operator.role
    operator_sessions.end_all(session, operator.id)
    return token


def change_role(session: Session, name: str, role: str) -> None:
    """Let an operator do more or less; sessions end with the old role.

    ValueError when there is no such operator, or nobody could administer the console any more.
    """
    _lock_admins(session)
    operator = _locked(session, name)
    if operator.role == "admin" and role != "admin":
        require_another_admin(session, operator.id)
    operator.role = role
    operator_sessions.end_all(session, operator.id)


def disable(session: Session, name: str, *, now: datetime) -> None:
    """Keep an operator out from now on; sessions and an unused link end.

    ValueError when there is no such operator.
    """
    operator = _locked(session, name)
    operator.disabled_at = operator.disabled_at or now
    operator.link_hash = operator.link_expires_at = None
    operator_sessions.end_all(session, operator.id)


def require_another_admin(session: Session, operator_id: UUID) -> None:
    """ValueError when nobody but this operator could administer the console."""
    if all(each == operator_id for each in _lock_admins(session)):
        raise ValueError("nobody else could administer the console")


def every(reader: Reader) -> list[OperatorRow]:
    """All operators by name; they are few."""
    return _every.all(reader)


def by_name(reader: Reader, name: str) -> OperatorRow:
    """An operator; ValueError when there is none."""
    found = _by_name.one_or_none(reader, name)
    if found is None:
        raise ValueError(f"there is no operator {name}")
    return found


def exist(reader: Reader) -> bool:
    """Whether there is any: without one the console is off."""
    return _one_id(reader) is not None


def secrets_of(reader: Reader, name: str) -> Secrets | None:
    """What to compare a login with; None when nobody has this name."""
    return _secrets_of.one_or_none(reader, name)


def of_link(reader: Reader, token: str, *, now: datetime) -> Secrets | None:
    """Whose link this is; None when it is used up, too old, or nobody's."""
    return _of_link.one_or_none(reader, token_hash(token), now)


def come_in(session: Session, token: str, password: str, code: str, *, now: datetime) -> list[str]:
    """Use a link up: keep the password, and prove that the authenticator knows the secret.

    Returns the recovery codes, which nobody can see again. ValueError for a password that is too
    short or a wrong code, LookupError for a link that leads nowhere.
    """
    here = select(Operator).where(
        Operator.link_hash == token_hash(token),
        Operator.link_expires_at > now,
        Operator.disabled_at.is_(None),
    )
    operator = session.scalars(here.with_for_update()).one_or_none()
    if operator is None:
        raise LookupError("the link leads nowhere")
    step = second_factor.matching_step(operator.totp_secret, code, now)
    if step is None:
        raise ValueError("the code is wrong")
    codes = second_factor.new_recovery_codes()
    operator.password_hash = passwords.hashed(password)
    operator.totp_step = step
    operator.recovery_hashes = [second_factor.recovery_hash(each) for each in codes]
    operator.link_hash = operator.link_expires_at = None
    return codes


def renew_codes(session: Session, operator_id: UUID) -> list[str]:
    """Recovery codes in the place of those before, which count no more."""
    codes = second_factor.new_recovery_codes()
    _keep_codes(session, operator_id, [second_factor.recovery_hash(each) for each in codes])
    return codes


def codes_left(reader: Reader, operator_id: UUID) -> int:
    """How many recovery codes an operator has not used."""
    return _codes_left(reader, operator_id) or 0


def accept_code(session: Session, operator_id: UUID, secret: str, code: str, now: datetime) -> bool:
    """Whether a code of the authenticator or a recovery code is right; it counts this once only.

    Never for who was disabled, or got a new `secret`, since it was read: the password was compared
    in between.
    """
    step = second_factor.matching_step(secret, code, now)
    if step is not None:
        return _accept_step(session, operator_id, secret, step) == 1
    return _accept_recovery(session, operator_id, second_factor.recovery_hash(code)) == 1


def note_login(session: Session, operator_id: UUID, address: str, *, now: datetime) -> None:
    """Keep when and from where an operator last came."""
    _note_login(session, operator_id, address, now)


def keep_password(session: Session, operator_id: UUID, password: str) -> None:
    """Keep a password with today's parameters."""
    _keep_password(session, operator_id, passwords.hashed(password))


def _locked(session: Session, name: str) -> Operator:
    one = select(Operator).where(Operator.name == name).with_for_update()
    operator = session.scalars(one).one_or_none()
    if operator is None:
        raise ValueError(f"there is no operator {name}")
    return operator


def _lock_admins(session: Session) -> list[UUID]:
    """Those who can administer the console, locked in one order and before any other operator.

    Of two who shut each other out at the same moment, the second waits here and sees the first.
    """
    able = (Operator.role == "admin") & Operator.disabled_at.is_(None)
    came = Operator.password_hash.is_not(None)
    admins = select(Operator.id).where(able, came).order_by(Operator.id).with_for_update()
    return list(session.scalars(admins))


@statement(OperatorRow)
def _every() -> Query:
    return select(*Operator.columns(OperatorRow)).order_by(Operator.name)


@statement(OperatorRow)
def _by_name(name: str) -> Query:
    return select(*Operator.columns(OperatorRow)).where(Operator.name == name)


@scalar
def _one_id() -> Select[UUID]:
    return select(Operator.id).limit(1)


@statement(Secrets)
def _secrets_of(name: str) -> Query:
    return select(*Operator.columns(Secrets)).where(Operator.name == name)


@statement(Secrets)
def _of_link(link_hash: str, now: datetime) -> Query:
    return select(*Operator.columns(Secrets)).where(
        Operator.link_hash == link_hash,
        Operator.link_expires_at > now,
        Operator.disabled_at.is_(None),
    )


@write
def _accept_step(operator_id: UUID, secret: str, step: int) -> UpdateBase:
    return (
        update(Operator)
        .where(
            Operator.id == operator_id,
            Operator.disabled_at.is_(None),
            Operator.totp_secret == secret,
            Operator.totp_step < step,
        )
        .values(totp_step=step)
    )


@write
def _accept_recovery(operator_id: UUID, recovery: str) -> UpdateBase:
    left = func.array_remove(Operator.recovery_hashes, recovery, type_=ARRAY(Text))
    return (
        update(Operator)
        .where(
            Operator.id == operator_id,
            Operator.disabled_at.is_(None),
            any_(type_coerce(Operator.recovery_hashes, ARRAY(Text))) == recovery,
        )
        .values(recovery_hashes=left)
    )


@write
def _keep_codes(operator_id: UUID, hashes: list[str]) -> UpdateBase:
    return update(Operator).where(Operator.id == operator_id).values(recovery_hashes=hashes)


@scalar
def _codes_left(operator_id: UUID) -> Select[int]:
    return select(func.cardinality(Operator.recovery_hashes)).where(Operator.id == operator_id)


@write
def _note_login(operator_id: UUID, address: str, now: datetime) -> UpdateBase:
    return (
        update(Operator)
        .where(Operator.id == operator_id)
        .values(last_login_at=now, last_address=address)
    )


@write
def _keep_password(operator_id: UUID, password_hash: str) -> UpdateBase:
    return update(Operator).where(Operator.id == operator_id).values(password_hash=password_hash)
