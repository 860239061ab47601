"""Erases a person: what leads to them goes, and what is in the books stays, without a name.

What happens to each column is declared in services/personal_data. The order of the steps is in
workflows/erasure.py: first end() what still runs, then anonymize(); each is one transaction, and a
repeat of either changes nothing more.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from db import Query, Reader, allow_seconds, scalar, statement
from db.models import (
    LIVE_STATUSES,
    Data,
    IdempotencyKey,
    Job,
    Lottery,
    LotteryEntry,
    Payment,
    PaymentEvent,
    Referral,
    SupportRequest,
    Table,
    User,
)
from db.rows import UserRow
from db.statements import Write
from services import data, erased_accounts, jobs, ledger, personal_data, settlement
from services.inbox import IMPERSONAL
from services.personal_data import ACCOUNT, FILES, OWNER, Kept
from services.users import ERASED

ENDED_TEXT = "Заказ закрыт: данные удаляются по вашей просьбе."
# Answers and others' payments are looked through as a whole, which may take longer than a request.
PATIENCE_SECONDS = 60


class Left(NamedTuple):
    """What an erasure will end, take away or delete."""

    balance_tokens: Decimal
    live_jobs: int
    pending_payments: int
    files: int
    open_requests: int
    invitations: int


class NotNow(ValueError):
    """Something has to be done before a person can be erased.

    why: key (ERASURE_KEY is not set), parked (an event about a payment of theirs waits for the
    operator), provider (one does not say what has become of an unpaid payment) or active (they go
    on ordering).
    """

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


class StillActive(Exception):
    """Something was ordered or opened since end(); it has to be ended first."""


def find(reader: Reader, reference: str) -> UserRow:
    """The user an operator means by an id, also of one who was erased, or by a telegramId.

    ValueError, which says when an account was erased, if there is none.
    """
    try:
        user = _by_id.one_or_none(reader, UUID(reference))
    except ValueError:
        user = _by_telegram_id.one_or_none(reader, reference)
    if user is None:
        moment = erased_accounts.erased_at(reader, reference)
        since = f": the account was erased at {moment:%Y-%m-%d %H:%M} UTC" if moment else ""
        raise ValueError(f"there is no such person{since}")
    return user


def left(reader: Reader, user_id: UUID) -> Left:
    """What is left of a person that an erasure will end, take away or delete."""
    return _left.one(reader, user_id)


def require_possible(reader: Reader, user: UserRow) -> None:
    """NotNow, with what to do first, when the person must not be erased."""
    if missing := erased_accounts.missing_key():
        raise NotNow("key", missing)
    parked = _parked(reader, user.id, user.telegram_id)
    if parked:
        raise NotNow(
            "parked",
            f"event {parked} about a payment of this person waits for you: apply or dismiss it"
            " first (`cli.py events list --state parked`)",
        )


def pending_payments(reader: Reader, user_id: UUID) -> list[UUID]:
    """Payments that the person may still pay."""
    pending = select(Payment.id).where(Payment.user_id == user_id, Payment.status == "pending")
    return list(reader.execute(pending.order_by(Payment.number)).scalars())


def end(session: Session, user_id: UUID) -> list[UUID]:
    """End the person's orders, whose tokens return, and close what they may still pay; returns
    all their files, as what was made of an album is known only while it runs.

    A payment that is made all the same is credited to the nameless account and flagged
    (services/settlement.py).
    """
    ledger.lock_account(session, user_id)
    files = list(session.scalars(FILES, {"owner_id": user_id}))
    # Those that wait for payment first: returned tokens would start them.
    live = select(Job).where(Job.user_id == user_id, Job.status.in_(LIVE_STATUSES))
    waiting_first = case((Job.status == "waiting_payment", 0), else_=1)
    for job in session.scalars(live.order_by(waiting_first, Job.number).with_for_update()):
        error = {"code": "cancelled", "message": ENDED_TEXT}
        jobs.end_unfinished(session, job, {"reason": "cancelled", "error": error})
    for payment_id in pending_payments(session, user_id):
        settlement.close(session, payment_id, "canceled")
    return files


def anonymize(session: Session, user_id: UUID, files: list[UUID], *, now: datetime) -> None:
    """Take away what leads to the person, remember the account's hash, mark the files as deleted.

    The row is locked FOR UPDATE, so that nothing that refers to the user is written meanwhile.
    StillActive when something runs that end() has not seen; NotNow as of require_possible();
    ApiError `service_unavailable` while a lottery with the person is being drawn.
    """
    allow_seconds(session, PATIENCE_SECONDS)
    user = _locked.one(session, user_id)
    require_possible(session, user)
    if _is_active(session, user_id):
        raise StillActive
    # A draw that has begun has read the entry: the wait for it could become a deadlock.
    session.execute(_UNDRAWN, {"owner_id": user_id})
    if user.erased_at is None:
        erased_accounts.remember(session, user)
    if user.balance_tokens:
        ledger.post(
            session,
            user_id,
            -user.balance_tokens,
            type="promo",
            bonus_key=f"erased:{now:%Y-%m-%dT%H:%M:%S.%f}",
            meta={"reason": "erased"},
        )
    data.delete_of(session, files)
    owner = {"owner_id": user_id, "owner_telegram_id": user.telegram_id}
    session.flush()
    for erase in (*_OF_OTHERS, *_ERASE):
        erase(session, **{name: owner[name] for name in erase.keys})


def forget_answers(session: Session, user: UserRow) -> None:
    """Delete answers that requests which were under way have stored after anonymize()."""
    owner = {"owner_id": user.id, "owner_telegram_id": user.telegram_id}
    _FORGET_ANSWERS(session, **{name: owner[name] for name in _FORGET_ANSWERS.keys})


def _statement(kept: Kept) -> Write[...]:
    """What erases the rows of a table, as it is declared."""
    table: Any = kept.table.__table__
    if kept.table is IdempotencyKey:
        # A key that a request holds is that of a request which waits for us.
        free = select(IdempotencyKey.operation, IdempotencyKey.key).where(kept.rows)
        free = free.with_for_update(skip_locked=True)
        return Write(delete(table).where(tuple_(table.c.operation, table.c.key).in_(free)))
    if kept.erased is None:
        return Write(delete(table).where(kept.rows))
    return Write(update(table).where(kept.rows).values(**kept.erased))


_ERASE = [_statement(kept) for kept in personal_data.KEPT if kept.erased != {}]
_FORGET_ANSWERS = _statement(personal_data.ANSWERS)
# A link of Telegram can be paid by anybody, so payments of others may name this person.
_PAID_FOR_OTHERS = select(Payment.id).where(
    Payment.payer_telegram_id == ACCOUNT, Payment.user_id != OWNER
)
_OF_OTHERS: list[Write[...]] = [
    Write(
        update(PaymentEvent.__table__)  # type: ignore[arg-type]
        .where(PaymentEvent.payment_id.in_(_PAID_FOR_OTHERS))
        .values(notice=IMPERSONAL)
    ),
    Write(
        update(Payment.__table__)  # type: ignore[arg-type]
        # One that is being changed waits, perhaps, for this very person: its inviter.
        .where(Payment.id.in_(_PAID_FOR_OTHERS.with_for_update(skip_locked=True)))
        .values(payer_telegram_id=ERASED)
    ),
]
_UNDRAWN = (
    select(Lottery.id)
    .join(LotteryEntry, LotteryEntry.lottery_id == Lottery.id)
    .where(LotteryEntry.user_id == OWNER, Lottery.drawn_at.is_(None))
    .with_for_update(read=True, key_share=True, nowait=True, of=Lottery)
)


def _count(table: type[Table], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*where).scalar_subquery()


@statement(UserRow)
def _by_id(user_id: UUID) -> Query:
    return select(*User.columns(UserRow)).where(User.id == user_id)


@statement(UserRow)
def _by_telegram_id(telegram_id: str) -> Query:
    return select(*User.columns(UserRow)).where(User.telegram_id == telegram_id)


@statement(UserRow)
def _locked(user_id: UUID) -> Query:
    return select(*User.columns(UserRow)).where(User.id == user_id).with_for_update()


@statement(Left)
def _left(user_id: UUID) -> Query:
    return select(
        User.balance_tokens,
        _count(Job, Job.user_id == user_id, Job.status.in_(LIVE_STATUSES)).label("live_jobs"),
        _count(Payment, Payment.user_id == user_id, Payment.status == "pending").label(
            "pending_payments"
        ),
        _count(
            Data, Data.id.in_(personal_data.files_of(user_id)), Data.status == "confirmed"
        ).label("files"),
        _count(
            SupportRequest, SupportRequest.user_id == user_id, SupportRequest.status == "open"
        ).label("open_requests"),
        _count(Referral, or_(Referral.inviter_id == user_id, Referral.invitee_id == user_id)).label(
            "invitations"
        ),
    ).where(User.id == user_id)


@scalar
def _parked(user_id: UUID, telegram_id: str) -> Select[UUID]:
    payments = select(Payment.id).where(Payment.user_id == user_id)
    return (
        select(PaymentEvent.id)
        .where(
            PaymentEvent.state == "parked",
            or_(
                PaymentEvent.payment_id.in_(payments),
                and_(
                    PaymentEvent.payment_id.is_(None),
                    PaymentEvent.notice["payer_id"].astext == telegram_id,
                ),
            ),
        )
        .order_by(PaymentEvent.number)
        .limit(1)
    )


@scalar
def _is_active(user_id: UUID) -> Select[bool]:
    return select(
        or_(
            exists().where(Job.user_id == user_id, Job.status.in_(LIVE_STATUSES)),
            exists().where(Payment.user_id == user_id, Payment.status == "pending"),
        )
    )
