"""One stored answer per (operation, Idempotency-Key), written in its effect's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from psycopg2 import errorcodes
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import settings
from db.models import IdempotencyKey
from errors import ApiError

# Refusals of the rules are answers too: a retry must hear the same. A malformed request (400),
# a missing key (401), a limit (429) or our own trouble (5xx) may end differently next time.
STORED_REFUSALS = {403, 404, 409}


@dataclass(frozen=True)
class Answer:
    """What the caller hears: JSON-ready body, HTTP status, and whether it was heard before."""

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
    """Run `effect` once per (operation, key); later calls with the same request hear its answer.

    A concurrent twin waits on the primary key until the first one commits, then replays it.
    ApiError `idempotency_key_reused` (another request), `idempotency_in_progress` (waited longer
    than the lock timeout).
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
        answer = _refused(refusal)
    return _store(session, operation, key, answer)


def open_or_resume(
    session: Session,
    operation: str,
    key: str | None,
    request: dict[str, Any],
    open: Callable[[], UUID],
) -> UUID | Answer:
    """The first half of an effect that asks a provider before it can answer.

    `open` makes the payment; a request with the same key, after a crash or at the same time, gets
    the same payment to go on with, or the answer once complete() has stored one. Refusals as
    in once().
    """
    if key is None:
        return open()
    if _claim(session, operation, key, _fingerprint(request)):
        try:
            with session.begin_nested():
                payment_id = open()
        except ApiError as refusal:
            return _store(session, operation, key, _refused(refusal))
        _set(session, operation, key, payment_id=payment_id)
        return payment_id
    stored = _stored(session, operation, key, _fingerprint(request))
    if stored.body is not None and stored.status is not None:
        return Answer(stored.body, stored.status, replayed=True)
    if stored.payment_id is None:
        raise ApiError("idempotency_in_progress", retry_after=1)
    return stored.payment_id


def complete(session: Session, operation: str, key: str | None, answer: Answer) -> Answer:
    """The second half: store the answer that later requests with this key will hear."""
    return answer if key is None else _store(session, operation, key, answer)


def sweep(session: Session, now: datetime) -> int:
    """Forget keys older than IDEMPOTENCY_TTL_HOURS; returns how many."""
    old = delete(IdempotencyKey).where(IdempotencyKey.created_at < now - _ttl())
    return len(session.scalars(old.returning(IdempotencyKey.key)).all())


def _claim(session: Session, operation: str, key: str, fingerprint: str) -> bool:
    """Whether the key is new; an expired one counts as new."""
    row = insert(IdempotencyKey).values(operation=operation, key=key, fingerprint=fingerprint)
    statement = row.on_conflict_do_update(
        index_elements=["operation", "key"],
        set_={
            "fingerprint": fingerprint,
            "status": None,
            "body": None,
            "payment_id": None,
            "created_at": func.now(),
        },
        where=IdempotencyKey.created_at < func.now() - _ttl(),
    ).returning(IdempotencyKey.key)
    try:
        return session.scalar(statement) is not None
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == errorcodes.LOCK_NOT_AVAILABLE:
            raise ApiError("idempotency_in_progress", retry_after=1) from error
        raise


def _stored(session: Session, operation: str, key: str, fingerprint: str) -> IdempotencyKey:
    stored = session.scalars(
        select(IdempotencyKey)
        .where(IdempotencyKey.operation == operation, IdempotencyKey.key == key)
        .execution_options(populate_existing=True)
    ).one()
    if stored.fingerprint != fingerprint:
        raise ApiError("idempotency_key_reused")
    return stored


def _refused(refusal: ApiError) -> Answer:
    """A refusal as an answer to store; trouble that may pass is raised again."""
    if refusal.status not in STORED_REFUSALS:
        raise refusal
    return Answer(refusal.as_dict(), refusal.status)


def _store(session: Session, operation: str, key: str, answer: Answer) -> Answer:
    _set(session, operation, key, status=answer.status, body=answer.body)
    return answer


def _set(session: Session, operation: str, key: str, **values: Any) -> None:
    session.execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.operation == operation,
            IdempotencyKey.key == key,
            IdempotencyKey.status.is_(None),
        )
        .values(**values)
    )


def _fingerprint(request: dict[str, Any]) -> str:
    return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _ttl() -> timedelta:
    return timedelta(hours=settings.load().idempotency_ttl_hours)
