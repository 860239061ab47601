"""What an operator may look at, and do by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db import Record
from db.models import (
    Job,
    Lottery,
    LotteryEntry,
    LotteryWinner,
    Payment,
    PaymentEvent,
    Tariff,
    Transaction,
    User,
)
from errors import ApiError
from services import jobs

Row = TypeVar("Row")


def recent_jobs(session: Session, *, status: str | None, limit: int) -> list[Job]:
    """The newest jobs of all users, of one status if given."""
    query = select(Job).order_by(Job.number.desc()).limit(limit)
    return list(session.scalars(query.where(Job.status == status) if status else query))


def retry(session: Session, job_id: UUID) -> Record:
    """Order a failed job again at today's price, or take a processing one from its worker.

    ApiError `job_not_found`, `job_not_cancellable` for one that needs no retry.
    """
    job = jobs.get(session, job_id)
    if job.status == "failed":
        again = jobs.create(
            session,
            job.user_id,
            service_type=job.service_type,
            input=job.input,
            description=job.description,
            meta={"retryOf": str(job.id)},
        )
        return jobs.get(session, again.id)
    if job.status != "processing":
        raise ApiError("job_not_cancellable", details={"status": job.status})
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == "processing")
        .values(lease_until=func.now() - timedelta(seconds=1))
    )
    return jobs.get(session, job_id)


def fail(session: Session, job_id: UUID, *, reason: str) -> Job:
    """End a live job as failed and return its tokens; its worker's result is then fenced off.

    ApiError `job_not_found`, `job_not_cancellable` for one that has ended.
    """
    job = jobs.lock(session, job_id)
    if job.status in ("done", "failed"):
        raise ApiError("job_not_cancellable", details={"status": job.status})
    meta = {"reason": "failed", "error": {"code": "operator", "message": reason}}
    jobs.end_unfinished(session, job, meta)
    return job


def recent_payments(session: Session, *, status: str | None, limit: int) -> list[Payment]:
    """The newest payments of all users, of one status if given."""
    query = select(Payment).order_by(Payment.number.desc()).limit(limit)
    return list(session.scalars(query.where(Payment.status == status) if status else query))


def payment(session: Session, payment_id: UUID) -> Payment:
    """ValueError when there is no such payment."""
    return _found(session.get(Payment, payment_id))


def events_of(session: Session, payment_id: UUID) -> list[PaymentEvent]:
    """What was told about a payment, in the order of arrival."""
    query = select(PaymentEvent).where(PaymentEvent.payment_id == payment_id)
    return list(session.scalars(query.order_by(PaymentEvent.number)))


def recent_events(session: Session, *, state: str | None, limit: int) -> list[PaymentEvent]:
    """The newest events of all providers, of one state if given."""
    query = select(PaymentEvent).order_by(PaymentEvent.number.desc()).limit(limit)
    return list(session.scalars(query.where(PaymentEvent.state == state) if state else query))


def event(session: Session, event_id: UUID) -> PaymentEvent:
    """ValueError when there is no such event."""
    return _found(session.get(PaymentEvent, event_id))


def all_tariffs(session: Session) -> list[Tariff]:
    """Every tariff there ever was, those on offer first."""
    query = select(Tariff).order_by(Tariff.active.desc(), Tariff.position, Tariff.number)
    return list(session.scalars(query))


def add_tariff(session: Session, **columns: Any) -> None:
    """Offer a new tariff. ValueError when the name is taken."""
    if session.scalar(select(Tariff.id).where(Tariff.name == columns["name"])):
        raise ValueError("there is a tariff of this name")
    session.add(Tariff(**columns))


def change_tariff(session: Session, name: str, **columns: Any) -> None:
    """Change a tariff; payments keep the terms they were opened with. ValueError."""
    tariff = _found(session.scalar(select(Tariff).where(Tariff.name == name).with_for_update()))
    for column, value in columns.items():
        setattr(tariff, column, value)


def recent_lotteries(session: Session, *, limit: int) -> list[Lottery]:
    """The newest lotteries, those closed without a draw among them."""
    return list(session.scalars(select(Lottery).order_by(Lottery.number.desc()).limit(limit)))


def winners(session: Session, lottery_id: UUID) -> list[tuple[LotteryWinner, User]]:
    """Who won what, by place, a redrawn one after the first; ValueError when nothing is drawn."""
    if _found(session.get(Lottery, lottery_id)).drawn_at is None:
        raise ValueError("this lottery has not been drawn")
    rows = session.execute(
        select(LotteryWinner, User)
        .join(LotteryEntry, LotteryEntry.id == LotteryWinner.entry_id)
        .join(User, User.id == LotteryEntry.user_id)
        .where(LotteryWinner.lottery_id == lottery_id)
        .order_by(LotteryWinner.place, LotteryWinner.round)
    )
    return [(winner, user) for winner, user in rows]


def channel_bonuses(session: Session, channels: list[str]) -> dict[str, int]:
    """Channel -> how many users had its bonus."""
    keys = [f"channel:{channel}" for channel in channels]
    counts = session.execute(
        select(Transaction.bonus_key, func.count())
        .where(Transaction.bonus_key.in_(keys))
        .group_by(Transaction.bonus_key)
    )
    return {str(key).removeprefix("channel:"): count for key, count in counts}


def _found(row: Row | None) -> Row:
    if row is None:
        raise ValueError("there is none of this id or name")
    return row
