"""What people ask the operator for through the bot: a refund, or help."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, UpdateBase, and_, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

import settings
from db import Query, Reader, scalar, statement, write
from db.models import Job, Payment, SupportRequest, User
from db.rows import SupportRequestRow
from errors import ApiError
from services import ledger

# More than anybody needs who has one trouble; a person answers each.
MOST_IN_A_DAY = 5
DAY = timedelta(days=1)
SWEPT_AT_ONCE = 1000


class AskedRow(NamedTuple):
    """A request, and of the person who made it what the operator finds them by."""

    number: int
    topic: str
    telegram_id: str
    username: str | None
    user_id: UUID
    payment_id: UUID | None
    job_id: UUID | None
    created_at: datetime
    message: str


def create(
    session: Session,
    user_id: UUID,
    *,
    topic: str,
    message: str,
    payment_id: UUID | None = None,
    job_id: UUID | None = None,
    client_ref: str | None = None,
    now: datetime,
) -> SupportRequestRow:
    """A request that the operator will see, about a payment or an order of this user, if any.

    ApiError `user_not_found`, `payment_not_found`, `job_not_found` (also for somebody else's),
    `rate_limited` after MOST_IN_A_DAY.
    """
    ledger.lock(session, user_id)  # or two at once would both be the last one allowed
    if payment_id is not None and not _owns_payment(session, user_id, payment_id):
        raise ApiError("payment_not_found")
    if job_id is not None and not _owns_job(session, user_id, job_id):
        raise ApiError("job_not_found")
    oldest = _first_of_too_many(session, user_id, now - DAY, MOST_IN_A_DAY - 1)
    if oldest is not None:
        left = (oldest + DAY - now).total_seconds()
        raise ApiError("rate_limited", retry_after=max(1, round(left)))
    return _insert.one(
        session,
        user_id=user_id,
        topic=topic,
        message=message,
        payment_id=payment_id,
        job_id=job_id,
        client_ref=client_ref,
    )


def of_status(reader: Reader, status: str, *, limit: int) -> list[AskedRow]:
    """Requests of this status with the people who made them, the oldest first."""
    return _of_status.all(reader, status, limit)


def close(session: Session, number: int, *, answer: str, now: datetime) -> bool:
    """End a request with what it came to; False when it had been closed before.

    ValueError when there is no such request.
    """
    closed = _close(session, number, answer, now) > 0
    if not closed and not _exists(session, number):
        raise ValueError("there is no such request")
    return closed


def forget_closed(session: Session, *, now: datetime) -> int:
    """Delete up to SWEPT_AT_ONCE requests closed longer than SUPPORT_TTL_DAYS ago; how many."""
    return _forget_closed(session, now - timedelta(days=settings.load().support_ttl_days))


@scalar
def _owns_payment(user_id: UUID, payment_id: UUID) -> Select[bool]:
    return select(exists().where(and_(Payment.id == payment_id, Payment.user_id == user_id)))


@scalar
def _owns_job(user_id: UUID, job_id: UUID) -> Select[bool]:
    return select(exists().where(and_(Job.id == job_id, Job.user_id == user_id)))


@scalar
def _exists(number: int) -> Select[bool]:
    return select(exists().where(SupportRequest.number == number))


@scalar
def _first_of_too_many(user_id: UUID, since: datetime, before_it: int) -> Select[datetime]:
    """When the request was made that is followed by so many others, if there is one."""
    return (
        select(SupportRequest.created_at)
        .where(SupportRequest.user_id == user_id, SupportRequest.created_at > since)
        .order_by(SupportRequest.created_at.desc())
        .offset(before_it)
        .limit(1)
    )


@statement(AskedRow)
def _of_status(status: str, limit: int) -> Query:
    return (
        select(
            SupportRequest.number,
            SupportRequest.topic,
            User.telegram_id,
            User.username,
            SupportRequest.user_id,
            SupportRequest.payment_id,
            SupportRequest.job_id,
            SupportRequest.created_at,
            SupportRequest.message,
        )
        .join(User, User.id == SupportRequest.user_id)
        .where(SupportRequest.status == status)
        .order_by(SupportRequest.number)
        .limit(limit)
    )


@statement(SupportRequestRow)
def _insert(
    user_id: UUID,
    topic: str,
    message: str,
    payment_id: UUID | None,
    job_id: UUID | None,
    client_ref: str | None,
) -> Query:
    return (
        insert(SupportRequest)
        .values(
            id=func.gen_random_uuid(),
            user_id=user_id,
            topic=topic,
            message=message,
            payment_id=payment_id,
            job_id=job_id,
            client_ref=client_ref,
        )
        .returning(*SupportRequest.columns(SupportRequestRow))
    )


@write
def _close(number: int, answer: str, now: datetime) -> UpdateBase:
    return (
        update(SupportRequest)
        .where(SupportRequest.number == number, SupportRequest.status == "open")
        .values(status="closed", answer=answer, closed_at=now)
    )


@write
def _forget_closed(before: datetime) -> UpdateBase:
    old = (
        select(SupportRequest.id)
        .where(SupportRequest.status == "closed", SupportRequest.closed_at < before)
        .order_by(SupportRequest.closed_at)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return delete(SupportRequest).where(SupportRequest.id.in_(old))
