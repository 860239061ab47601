"""One stored answer per (operation, Idempotency-Key), written in the transaction of its effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from psycopg2 import errorcodes
from sqlalchemy import Update, UpdateBase, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import settings
from db import Query, statement, write
from db.models import IdempotencyKey
from db.rows import IdempotencyKeyRow
from errors import ApiError

# Refusals by the rules are answers too: a retry must get the same one. A malformed request (400,
# 413, 415, 422), a missing key (401), a limit (429) or our own failure (5xx) may end differently
# next time.
STORED_REFUSALS = {403, 404, 409}
# A few hundred milliseconds of deleting; the rest is swept next time.
SWEPT_AT_ONCE = 10_000
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True)
class Answer:
    """What the caller gets: JSON-ready body, HTTP status, and whether it is a stored answer."""

    body: dict[str, Any]
    status: int
    replayed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Marks a replay for the caller."""
        return {"Idempotency-Replayed": "true"} if self.replayed else {}


def once(
    session: Session,
    operation: str,
    key: str | None,
    request: dict[str, Any],
    effect: Callable[[], Answer],
) -> Answer:
    """Run `effect` once per (operation, key); later calls with the same request get its answer.

    An ApiError of `effect` with a status in STORED_REFUSALS undoes what it has changed, and is an
    answer like others; any other one is raised, and the key stays free. A concurrent duplicate
    waits on the primary key until the first commits, then replays it. ApiError
    `idempotency_key_reused` (another request), `idempotency_in_progress` (waited longer than the
    lock timeout).
    """
    if key is None:
        return effect()
    if not _claim(session, operation, key, _fingerprint(request)):
        stored = _stored(session, operation, key, _fingerprint(request))
        if stored.body is None or stored.status is None:
            raise ApiError("idempotency_in_progress", retry_after=1)
        return Answer(stored.body, stored.status, replayed=True)
    try:
        with session.begin_nested():
            answer = effect()
    except ApiError as refusal:
        answer = _storable_refusal(refusal)
    return _store(session, operation, key, answer)


def open_or_resume(
    session: Session,
    operation: str,
    key: str | None,
    request: dict[str, Any],
    open: Callable[[], UUID],
) -> UUID | Answer:
    """The first half of an effect that must call a provider before it can answer.

    `open` creates the payment; a request with the same key, after a crash or at the same time,
    gets the same payment to continue with, or the answer once complete() has stored one. Refusals
    of `open`, duplicates and errors as in once().
    """
    if key is None:
        return open()
    if _claim(session, operation, key, _fingerprint(request)):
        try:
            with session.begin_nested():
                new_id = open()
        except ApiError as refusal:
            return _store(session, operation, key, _storable_refusal(refusal))
        _store_payment(session, operation, key, new_id)
        return new_id
    stored = _stored(session, operation, key, _fingerprint(request))
    if stored.body is not None and stored.status is not None:
        return Answer(stored.body, stored.status, replayed=True)
    if stored.payment_id is None:
        raise ApiError("idempotency_in_progress", retry_after=1)
    return stored.payment_id


def complete(session: Session, operation: str, key: str | None, answer: Answer) -> Answer:
    """The second half: store the answer that later requests with this key will get."""
    return answer if key is None else _store(session, operation, key, answer)


def sweep(session: Session, now: datetime) -> int:
    """Delete up to SWEPT_AT_ONCE keys older than IDEMPOTENCY_TTL_HOURS; returns how many."""
    old = (
        select(IdempotencyKey.operation, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < now - _ttl())
        .order_by(IdempotencyKey.created_at)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    forgotten = delete(IdempotencyKey).where(
        tuple_(IdempotencyKey.operation, IdempotencyKey.key).in_(old)
    )
    return session.connection().execute(forgotten).rowcount


def _claim(session: Session, operation: str, key: str, fingerprint: str) -> bool:
    """Whether the key is new; an expired one counts as new."""
    try:
        new = _claim_key(session, operation, key, fingerprint, _ttl())
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.LOCK_NOT_AVAILABLE:
            raise ApiError("idempotency_in_progress", retry_after=1) from error
        raise
    return new > 0


def _stored(session: Session, operation: str, key: str, fingerprint: str) -> IdempotencyKeyRow:
    stored = _select_key.one(session, operation, key)
    if stored.fingerprint != fingerprint:
        raise ApiError("idempotency_key_reused")
    return stored


def _storable_refusal(refusal: ApiError) -> Answer:
    """A refusal as an answer to store; raised again if its status is not in STORED_REFUSALS."""
    if refusal.status not in STORED_REFUSALS:
        raise refusal
    return Answer(refusal.as_dict(), refusal.status)


def _store(session: Session, operation: str, key: str, answer: Answer) -> Answer:
    _store_answer(session, operation, key, answer.status, answer.body)
    return answer


def _fingerprint(request: dict[str, Any]) -> str:
    return sha256(orjson.dumps(_canonical(request), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any) -> Any:
    """A JSON value in the one spelling that requests are compared in.

    Another library may write 199 as 199.0, and a UUID in capitals (RFC 9562, section 4).
    """
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:
        return int(value)
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.lower()
    return value


def _ttl() -> timedelta:
    return timedelta(hours=settings.load().idempotency_ttl_hours)


@write
def _claim_key(operation: str, key: str, fingerprint: str, ttl: timedelta) -> UpdateBase:
    return (
        insert(IdempotencyKey)
        .values(operation=operation, key=key, fingerprint=fingerprint)
        .on_conflict_do_update(
            index_elements=["operation", "key"],
            set_={
                "fingerprint": fingerprint,
                "status": None,
                "body": None,
                "payment_id": None,
                "created_at": func.now(),
            },
            where=IdempotencyKey.created_at < func.now() - ttl,
        )
    )


@statement(IdempotencyKeyRow)
def _select_key(operation: str, key: str) -> Query:
    return select(*IdempotencyKey.columns(IdempotencyKeyRow)).where(
        IdempotencyKey.operation == operation, IdempotencyKey.key == key
    )


def _update_unanswered(operation: str, key: str) -> Update:
    return update(IdempotencyKey).where(
        IdempotencyKey.operation == operation,
        IdempotencyKey.key == key,
        IdempotencyKey.status.is_(None),
    )


@write
def _store_answer(operation: str, key: str, status: int, body: dict[str, Any]) -> UpdateBase:
    return _update_unanswered(operation, key).values(status=status, body=body)


@write
def _store_payment(operation: str, key: str, payment_id: UUID) -> UpdateBase:
    return _update_unanswered(operation, key).values(payment_id=payment_id)
