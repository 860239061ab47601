"""Credits: tokens that arrive, and the jobs that waited for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Unpack
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from db import notifications
from db.models import Job
from services import events, ledger
from services.events import News
from services.ledger import About, Move


def credit(
    session: Session,
    user_id: UUID,
    tokens: Decimal,
    *,
    type: str,
    news: News | None = None,
    **about: Unpack[About],
) -> Move:
    """Give tokens and, with them, start the user's waiting jobs in the same transaction.

    news: what the bot is told of it, before it is told of those jobs.
    The caller holds the user's row: the statement that waits for the lock would not see an order
    that started waiting in the meantime.
    """
    row = ledger.post(session, user_id, tokens, type=type, **about)
    if news is not None:
        events.tell(session, user_id, news)
    if row.has_waiting:
        start_waiting(session, user_id, balance=row.balance_after)
    return row


def start_waiting(session: Session, user_id: UUID, *, balance: Decimal) -> None:
    """Queue `waiting_payment` jobs, oldest first, each one the remaining balance covers.

    A job that is too expensive is skipped: an abandoned order must not hold up a cheaper one that
    the customer has just paid for. The caller has changed the user's balance and so holds the row.
    """
    waiting = session.scalars(_WAITING, {"user_id": user_id, "balance": balance}).all()
    for job in waiting:
        if job.price_tokens <= balance:
            balance -= job.price_tokens
            reserve(session, job)
    if waiting:
        notifications.announce(session)


def reserve(session: Session, job: Job) -> None:
    """Queue a job and take its price; the caller has checked that the balance covers it.

    The row is written first, as the charge refers to it.
    """
    job.status = "queued"
    job.tokens_reserved = job.price_tokens
    job.run_at = job.updated_at = func.now()
    session.flush()
    ledger.post(session, job.user_id, -job.price_tokens, type="charge", job_id=job.id)
    events.tell(session, job.user_id, events.job_queued(job))


_WAITING = (
    select(Job)
    .where(
        Job.user_id == bindparam("user_id"),
        Job.status == "waiting_payment",
        Job.price_tokens <= bindparam("balance"),
    )
    .order_by(Job.number)
    .with_for_update()
)
