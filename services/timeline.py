"""What happened to a person, newest first, in one list: orders, money, bonuses, invitations,
requests to the operator, and what operators did.

Each kind comes in the order of its own numbers, by the index of its owner; a cursor holds the place
in each. So no entry is lost or shown twice, whatever is added meanwhile.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from heapq import merge
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from db import Query, Reader, statement
from db.models import ERROR_CODE, AuditEntry, Job, Referral, SupportRequest, Transaction
from db.types import Amount
from errors import ApiError
from services.paging import NO_CURSOR, Page

KINDS = ("job", "transaction", "referral", "support", "audit")
END = 2**63 - 1  # more than any number
_CURSOR = re.compile(r"\d{1,19}(\.\d{1,19}){4}")


class Entry(NamedTuple):
    """One thing that happened. kind: see KINDS; number: of its own kind.

    what: the service of an order, the type of a move, the topic of a request, an action. tokens:
    moved, or the price of an order, or the reward for an invitation. job_id, payment_id: what a
    move or a request is about.
    """

    kind: str
    number: int
    at: datetime
    id: UUID
    what: str | None
    state: str | None
    tokens: Decimal | None
    rub: Decimal | None
    note: str | None
    job_id: UUID | None
    payment_id: UUID | None


def of_user(reader: Reader, user_id: UUID, *, limit: int, cursor: str | None = None) -> Page[Entry]:
    """What happened to a user. ApiError `bad_request` for a cursor that no page gave out."""
    before = dict.fromkeys(KINDS, END) if cursor is None else _decoded(cursor)
    found: dict[str, list[Entry]] = {kind: [] for kind in KINDS}
    for entry in _entries.all(reader, user_id, limit + 1, *before.values()):
        found[entry.kind].append(entry)
    # Two moves may have been numbered in another order than their transactions began. merge() takes
    # each kind as it comes, in the order of numbers, so that a cursor leaves none behind.
    merged = list(merge(*found.values(), key=lambda entry: entry.at, reverse=True))
    shown = merged[:limit]
    for entry in shown:
        before[entry.kind] = entry.number
    more = ".".join(map(str, before.values()))
    return Page(shown, more if len(merged) > limit else None)


def _decoded(cursor: str) -> dict[str, int]:
    if _CURSOR.fullmatch(cursor) is None:
        raise ApiError("bad_request", details={"cursor": NO_CURSOR})
    return {
        kind: min(int(number), END) for kind, number in zip(KINDS, cursor.split("."), strict=True)
    }


def _newest(
    query: Select[*tuple[Any, ...]],
    number: InstrumentedAttribute[int],
    before: int,
    is_theirs: ColumnElement[bool],
    rows: int,
) -> Select[*tuple[Any, ...]]:
    in_order = query.where(is_theirs, number < before).order_by(number.desc().nulls_last())
    return in_order.limit(rows)


def _kind(kind: str) -> ColumnElement[str]:
    return literal_column(f"'{kind}'", Text).label("kind")


# The columns of each are the fields of Entry, in their order.
_NO_ID, _NO_TEXT, _NO_AMOUNT = cast(null(), Uuid), cast(null(), Text), cast(null(), Amount)
_JOBS: Select[*tuple[Any, ...]] = select(
    *(_kind("job"), Job.number, Job.created_at.label("at"), Job.id),
    *(Job.service_type.label("what"), Job.status.label("state")),
    *(Job.price_tokens.label("tokens"), Job.price_rub.label("rub")),
    *(literal_column(f"jobs.{ERROR_CODE[1:-1]}", Text).label("note"), Job.id.label("job_id")),
    _NO_ID.label("payment_id"),
)
_TRANSACTIONS: Select[*tuple[Any, ...]] = select(
    *(_kind("transaction"), Transaction.number, Transaction.created_at, Transaction.id),
    *(Transaction.type, Transaction.status, Transaction.tokens_delta, Transaction.amount_rub),
    func.coalesce(Transaction.meta["note"].astext, Transaction.meta["reason"].astext),
    *(Transaction.job_id, Transaction.payment_id),
)
_REFERRALS: Select[*tuple[Any, ...]] = select(
    *(_kind("referral"), Referral.number, Referral.created_at, Referral.id, _NO_TEXT),
    case((Referral.reward_given, "rewarded"), (Referral.invitee_paid, "paid"), else_="invited"),
    *(Referral.reward_tokens, _NO_AMOUNT, cast(Referral.invitee_id, Text)),
    *(_NO_ID, Referral.payment_id),
)
_REQUESTS: Select[*tuple[Any, ...]] = select(
    *(_kind("support"), SupportRequest.number, SupportRequest.created_at, SupportRequest.id),
    *(SupportRequest.topic, SupportRequest.status, _NO_AMOUNT, _NO_AMOUNT),
    *(SupportRequest.message, SupportRequest.job_id, SupportRequest.payment_id),
)
_ACTIONS: Select[*tuple[Any, ...]] = select(
    *(_kind("audit"), AuditEntry.number, AuditEntry.at, AuditEntry.id),
    *(AuditEntry.action, AuditEntry.outcome, _NO_AMOUNT, _NO_AMOUNT),
    func.concat_ws(": ", AuditEntry.who, AuditEntry.reason),
    *(_NO_ID, _NO_ID),
)


@statement(Entry)
def _entries(
    user_id: UUID,
    rows: int,
    before_job: int,
    before_transaction: int,
    before_referral: int,
    before_support: int,
    before_audit: int,
) -> Query:
    kinds = (
        _newest(_JOBS, Job.number, before_job, Job.user_id == user_id, rows),
        _newest(
            _TRANSACTIONS,
            Transaction.number,
            before_transaction,
            Transaction.user_id == user_id,
            rows,
        ),
        _newest(_REFERRALS, Referral.number, before_referral, Referral.inviter_id == user_id, rows),
        _newest(
            _REQUESTS,
            SupportRequest.number,
            before_support,
            SupportRequest.user_id == user_id,
            rows,
        ),
        _newest(
            _ACTIONS,
            AuditEntry.number,
            before_audit,
            AuditEntry.target == func.concat("user:", cast(user_id, Text)),
            rows,
        ),
    )
    entries = union_all(*kinds).subquery()
    return select(*(entries.c[name] for name in Entry._fields))
