"""One box for everything: what was typed says by its shape what it can be.

    12345                 an order by its number, a person by their telegramId
    a uuid                a person, order, payment, move, file, event; a payment at its provider
    req:4f2c...           orders and payments of a request, by the id in its log line
    @anna, anna           people whose username begins with it
    anything in one word  a payment by what its provider calls it

Every look-up is one of an index, and what it finds is few.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, cast, func, literal_column, null, select, text, union_all
from sqlalchemy.orm import InstrumentedAttribute

from db import Query, Reader, statement
from db.models import PROVIDERS, Data, Event, Job, Payment, PaymentEvent, Transaction, User

MOST = 20  # of each kind
LONGEST = 300
REQUEST = "req:"
_USERNAME = re.compile(r"@?[A-Za-z0-9_]{1,64}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Hit(NamedTuple):
    """Something found. kind: user, job, payment, transaction, data, payment_event or event.

    name: what people call it: a number, a username, a status. user_id: whose it is, if anybody's.
    """

    kind: str
    id: UUID
    name: str | None
    user_id: UUID | None


def find(reader: Reader, typed: str) -> list[Hit]:
    """What is called so, likeliest first; nothing for words that are no name of anything."""
    word = typed.strip()
    if not word or len(word) > LONGEST or not word.isprintable() or " " in word:
        return []
    if word.lower().startswith(REQUEST):
        request_id = word[len(REQUEST) :]
        return _of_request.all(reader, request_id) if _REQUEST_ID.fullmatch(request_id) else []
    hits = _by_shape(reader, word) + _by_reference.all(reader, word)
    return list(dict.fromkeys(hits))


def _by_shape(reader: Reader, word: str) -> list[Hit]:
    try:
        return _by_id.all(reader, UUID(word))
    except ValueError:
        pass
    hits = []
    if word.isascii() and word.isdigit() and int(word) < 2**63:
        hits = _by_number.all(reader, int(word), word)
    if _USERNAME.fullmatch(word):
        name = word.removeprefix("@").lower()
        hits += _by_username.all(reader, name.replace("_", r"\_") + "%")
    return hits


def _hit(
    kind: str, table: Any, name: Any, user_id: InstrumentedAttribute[Any] | None
) -> Select[Any]:
    owner = cast(null(), Uuid) if user_id is None else user_id
    return select(
        literal_column(f"'{kind}'", Text).label("kind"),
        table.id.label("id"),
        cast(name, Text).label("name"),
        owner.label("user_id"),
    )


_USER = _hit("user", User, func.coalesce(User.username, User.telegram_id), User.id)
_JOB = _hit("job", Job, Job.number, Job.user_id)
_PAYMENT = _hit("payment", Payment, Payment.number, Payment.user_id)


def _all(*found: Select[Any]) -> Query:
    rows = union_all(*found).subquery()
    return select(rows.c.kind, rows.c.id, rows.c.name, rows.c.user_id)


@statement(Hit)
def _by_id(id: UUID) -> Query:
    return _all(
        _USER.where(User.id == id),
        _JOB.where(Job.id == id),
        _PAYMENT.where(Payment.id == id),
        _hit("transaction", Transaction, Transaction.type, Transaction.user_id).where(
            Transaction.id == id
        ),
        _hit("data", Data, Data.type, None).where(Data.id == id),
        _hit("payment_event", PaymentEvent, PaymentEvent.kind, None).where(PaymentEvent.id == id),
        _hit("event", Event, Event.type, Event.user_id).where(Event.id == id),
    )


@statement(Hit)
def _by_number(number: int, telegram_id: str) -> Query:
    return _all(_JOB.where(Job.number == number), _USER.where(User.telegram_id == telegram_id))


@statement(Hit)
def _by_username(prefix: str) -> Query:
    # In the order of its index, that of bytes: a name comes before those that go on from it.
    in_order = text("lower(users.username) USING ~<~")
    return _USER.where(func.lower(User.username).like(prefix)).order_by(in_order).limit(MOST)


@statement(Hit)
def _of_request(request_id: str) -> Query:
    return _all(
        _JOB.where(Job.request_id == request_id).limit(MOST),
        _PAYMENT.where(Payment.request_id == request_id).limit(MOST),
    )


@statement(Hit)
def _by_reference(reference: str) -> Query:
    # Both columns are unique for a provider: without one, PostgreSQL before 18 would scan them all.
    ours = Payment.provider.in_(PROVIDERS)
    return _all(
        _PAYMENT.where(ours, Payment.reference == reference),
        _PAYMENT.where(ours, Payment.charge_reference == reference),
    )
