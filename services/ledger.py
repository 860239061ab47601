"""Moves tokens: the only writer of `transactions` and of `users.balance_tokens`."""

from __future__ import annotations

from collections.abc import Collection
from decimal import ROUND_DOWN, Decimal
from functools import cache
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from db import Query, Reader, statement
from db.models import Transaction, User
from db.rows import TransactionRow, UserRow
from db.statements import Statement
from db.types import CENT
from errors import ApiError
from services import paging


class NotEnoughTokens(Exception):
    """The move would take the balance below zero; nothing was written."""


class Move(NamedTuple):
    """What post() did. has_waiting: whether jobs of this user wait for tokens."""

    tokens_delta: Decimal
    balance_after: Decimal
    has_waiting: bool


class About(TypedDict, total=False):
    """What a ledger row may say besides its type and tokens: columns of db.models.Transaction."""

    job_id: UUID | None
    payment_id: UUID | None
    provider: str | None
    amount_rub: Decimal | None
    currency: str | None
    plan: str | None
    reference: str | None
    bonus_key: str | None
    meta: dict[str, Any]


def lock(session: Session, user_id: UUID) -> UserRow:
    """The user's row, locked until the transaction ends; always the first lock taken.

    FOR NO KEY UPDATE: inserts that merely refer to the user do not wait. ApiError `user_not_found`,
    also for one who was erased, perhaps while this waited for the lock.
    """
    user = lock_account(session, user_id)
    if user.erased_at is not None:
        raise ApiError("user_not_found")
    return user


def lock_account(session: Session, user_id: UUID) -> UserRow:
    """The same, whether the user was erased or not: for what workers, payments and draws report.

    Their books stay exact after the person has gone. ApiError `user_not_found`.
    """
    user = _locked.one_or_none(session, user_id)
    if user is None:
        raise ApiError("user_not_found")
    return user


def lock_all(session: Session, user_ids: Collection[UUID]) -> None:
    """Lock several users' rows, newest first.

    A payment locks the customer and then the inviter, who always registered earlier: with any
    other order the two transactions could deadlock.
    """
    session.execute(
        select(User.id)
        .where(User.id.in_(user_ids))
        .order_by(User.created_at.desc(), User.id)
        .with_for_update(key_share=True)
    )


def post(
    session: Session,
    user_id: UUID,
    tokens: Decimal,
    *,
    type: str,
    **about: Unpack[About],
) -> Move:
    """Move `tokens` (negative: take) and write the ledger row that says why, in one statement.

    NotEnoughTokens when the balance does not cover it. A second row for the same
    job and type, or for the same user and bonus_key, is refused by the database (IntegrityError).
    """
    row_values = {"type": type, "tokens_delta": tokens, **about}
    row = _move(tuple(row_values)).one_or_none(session, **_given(user_id, row_values))
    if row is None:
        raise NotEnoughTokens
    return row


def record(
    session: Session, user_id: UUID, *, type: str, status: str = "success", **about: Unpack[About]
) -> None:
    """Write a row that moves no tokens, such as a gateway_payment."""
    session.add(Transaction(user_id=user_id, type=type, status=status, **about))
    session.flush()


def history(
    reader: Reader, user_id: UUID, *, limit: int, cursor: str | None
) -> paging.Page[TransactionRow[str]]:
    """The user's transactions, newest first. ApiError `user_not_found`."""
    return _HISTORY.page(reader, limit=limit, cursor=cursor, owner_id=user_id)


def of_job(reader: Reader, job_id: UUID) -> list[TransactionRow[UUID]]:
    """The moves of an order, in their order; for the operator."""
    return _of_job.all(reader, job_id)


def of_payment(reader: Reader, payment_id: UUID) -> list[TransactionRow[UUID]]:
    """What a payment brought and took, without attempts that failed; for the operator.

    Each kind has an index of its own.
    """
    return _of_payment.all(reader, payment_id)


def rounded(amount: Decimal) -> Decimal:
    """Rounded down to hundredths: nobody gets a fraction that was not paid for."""
    return amount.quantize(CENT, rounding=ROUND_DOWN)


@statement(UserRow)
def _locked(user_id: UUID) -> Query:
    return select(*User.columns(UserRow)).where(User.id == user_id).with_for_update(key_share=True)


_HISTORY = paging.Listing(
    TransactionRow[str],
    select(*Transaction.shown(TransactionRow)).where(Transaction.user_id == paging.OWNER),
    Transaction.number,
)
_ROWS = select(*Transaction.columns(TransactionRow))


@statement(TransactionRow[UUID])
def _of_job(job_id: UUID) -> Query:
    return _ROWS.where(Transaction.job_id == job_id).order_by(Transaction.number)


@statement(TransactionRow[UUID])
def _of_payment(payment_id: UUID) -> Query:
    of_it = _ROWS.where(Transaction.payment_id == payment_id)
    moves = union_all(
        of_it.where(Transaction.type == "purchase"),
        of_it.where(Transaction.type == "refund"),
        of_it.where(Transaction.type == "gateway_payment", Transaction.status != "failed"),
    ).subquery()
    return select(*(moves.c[name] for name in TransactionRow._fields)).order_by(moves.c.number)


# SQLAlchemy does not correlate a subquery in RETURNING.
_HAS_WAITING: ColumnElement[bool] = literal_column(
    "EXISTS (SELECT FROM jobs WHERE jobs.user_id = transactions.user_id"
    " AND jobs.status = 'waiting_payment')",
    Boolean,
).label("has_waiting")


def _given(user_id: UUID, row_values: dict[str, Any]) -> dict[str, Any]:
    """The parameters of _move(), named as Statement requires."""
    return {
        "where_user_id": user_id,
        **{f"new_{name}": value for name, value in row_values.items()},
    }


@cache
def _move(columns: tuple[str, ...]) -> Statement[..., Move]:
    """The statement that moves `new_tokens_delta` of `where_user_id` and writes a row of `new_*`.

    It moves nothing that would go below zero, and then returns no row.
    """
    table: Any = Transaction.__table__
    tokens = bindparam("new_tokens_delta", type_=table.c.tokens_delta.type)
    moved = (
        update(User)
        .where(User.id == bindparam("where_user_id"), User.balance_tokens + tokens >= 0)
        .values(
            balance_tokens=User.balance_tokens + tokens,
            ledger_seq=User.ledger_seq + 1,
            updated_at=func.now(),
        )
        .returning(User.id, User.ledger_seq, User.balance_tokens)
        .cte("moved")
    )
    given = (
        cast(bindparam(f"new_{name}", type_=table.c[name].type), table.c[name].type)
        for name in columns
    )
    written = insert(table).from_select(
        ["id", "user_id", "seq", "balance_after", *columns],
        select(
            func.gen_random_uuid(),
            moved.c.id,
            moved.c.ledger_seq,
            moved.c.balance_tokens,
            *given,
        ),
    )
    return Statement(
        Move, written.returning(table.c.tokens_delta, table.c.balance_after, _HAS_WAITING)
    )


# Each query lists rows that break one rule; an empty result is the proof. They read whole tables
# and are for the operator, not for requests.
CHECKS: dict[str, str] = {
    "balance is the sum of the moves": """
        SELECT u.id::text AS id FROM users u
        LEFT JOIN (SELECT user_id, sum(tokens_delta) AS total, count(seq) AS moves
                   FROM transactions GROUP BY user_id) t ON t.user_id = u.id
        WHERE u.balance_tokens <> coalesce(t.total, 0) OR u.ledger_seq <> coalesce(t.moves, 0)""",
    "balance is that of the newest move": """
        SELECT u.id::text AS id FROM users u
        LEFT JOIN transactions t ON t.user_id = u.id AND t.seq = u.ledger_seq
        WHERE u.balance_tokens <> coalesce(t.balance_after, 0)""",
    "every move continues the one before it": """
        SELECT id::text FROM (
            SELECT id, seq, balance_after - tokens_delta AS before,
                   lag(balance_after, 1, 0::bigint) OVER w AS previous, row_number() OVER w AS place
            FROM transactions WHERE seq IS NOT NULL
            WINDOW w AS (PARTITION BY user_id ORDER BY seq)) chain
        WHERE before <> previous OR seq <> place""",
    "live and done jobs are charged their price, once": """
        SELECT j.id::text AS id FROM jobs j
        LEFT JOIN transactions t ON t.job_id = j.id AND t.type = 'charge'
        WHERE j.status IN ('queued', 'processing', 'done')
          AND coalesce(t.tokens_delta, 0) <> -j.price_tokens""",
    "jobs that ended kept what they consumed and gave back the rest": """
        SELECT j.id::text AS id FROM jobs j
        LEFT JOIN transactions t ON t.job_id = j.id AND t.type IN ('charge', 'refund')
        WHERE j.status IN ('done', 'failed') GROUP BY j.id
        HAVING coalesce(sum(t.tokens_delta), 0) <> -j.tokens_consumed""",
    "live jobs have no refund, waiting ones no charge": """
        SELECT j.id::text AS id FROM jobs j JOIN transactions t ON t.job_id = j.id
        WHERE t.type = 'refund' AND j.status NOT IN ('done', 'failed')
           OR t.type = 'charge' AND j.status = 'waiting_payment'""",
    "a paid payment has one success gateway_payment and one purchase of its tokens": """
        SELECT p.id::text AS id FROM payments p
        LEFT JOIN transactions t ON t.payment_id = p.id
        GROUP BY p.id
        HAVING count(*) FILTER (WHERE t.type = 'gateway_payment' AND t.status = 'success')
               <> (p.paid_at IS NOT NULL)::int
            OR count(*) FILTER (WHERE t.type = 'purchase') <> (p.paid_at IS NOT NULL)::int
            OR coalesce(sum(t.tokens_delta) FILTER (WHERE t.type = 'purchase'), p.tokens)
               <> p.tokens""",
    "refunds of a payment add up to what it says was taken back": """
        SELECT p.id::text AS id FROM payments p
        LEFT JOIN transactions t ON t.payment_id = p.id AND t.type = 'refund'
        GROUP BY p.id
        HAVING coalesce(sum(t.tokens_delta), 0) <> -p.refunded_tokens
            OR coalesce(sum(t.amount_rub), 0) <> -p.refunded_rub""",
    "purchases and refunds belong to the payer": """
        SELECT t.id::text AS id FROM transactions t JOIN payments p ON p.id = t.payment_id
        WHERE t.user_id <> p.user_id""",
    "an inviter holds the reward of each friend once": """
        SELECT r.id::text AS id FROM referrals r
        LEFT JOIN (SELECT user_id, split_part(bonus_key, ':', 2) AS invitee,
                          sum(tokens_delta) AS tokens
                   FROM transactions WHERE type = 'promo' AND bonus_key LIKE 'referral:%'
                   GROUP BY user_id, invitee) t
          ON t.user_id = r.inviter_id AND t.invitee = r.invitee_id::text
        WHERE r.reward_given AND coalesce(t.tokens, 0) <> r.reward_tokens""",
    "charges and refunds belong to the job's own user": """
        SELECT t.id::text AS id FROM transactions t JOIN jobs j ON j.id = t.job_id
        WHERE t.user_id <> j.user_id""",
}


def violations(session: Session) -> dict[str, list[str]]:
    """Prove the books of all users: rule -> ids of the rows that break it (empty when whole)."""
    return {
        rule: list(session.scalars(text(f"{query} LIMIT 20"))) for rule, query in CHECKS.items()
    }
