"""After a restore: what the payment providers know and our tables do not, or not any more.

Each provider is asked for all money that moved since a moment. Where a row says something else,
what the provider says is settled by the same path as a webhook, which also makes a payment again
whose row was lost (services/lost_payments.py). Each has a transaction of its own: to be killed in
the middle and begun anew is harmless, and so is another operator who does the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import settings
from db import Reader, reading, transaction
from db.rows import PaymentRow
from providers import registry
from providers.payments import Notice, ProviderError, from_minor
from providers.payments.telegram import STARS
from services import feed, inbox, lost_payments, payments, settlement

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOTHING = Decimal(0)
BATCH = 100
CLOCKS_DIFFER = timedelta(minutes=5)  # those of providers from that of the database, at most
# Our payments by each of the names by which notices may call them.
Rows = dict[object, PaymentRow]


class Finding(NamedTuple):
    """What differed. reference, amount: the provider's. telegram_id: whose money it is.

    tokens: what the customer got by it. is_open: it waits for the operator.
    """

    provider: str
    what: str
    is_open: bool
    moment: datetime | None = None
    reference: str | None = None
    payment_id: UUID | None = None
    telegram_id: str | None = None
    amount: str | None = None
    tokens: Decimal | None = None

    @property
    def names(self) -> set[str]:
        """By which events may name the same payment."""
        return {f"{self.provider} {name}" for name in (self.reference, self.payment_id) if name}


class _UndoneError(Exception):
    """Rolls a transaction back, and carries what it had found."""

    def __init__(self, finding: Finding | None) -> None:
        super().__init__()
        self.finding = finding


def recover(since: datetime, *, dry_run: bool) -> Iterator[Finding]:
    """Settle all money that moved since then at every provider that is connected; what differed.

    dry_run: everything is done in the same way, and rolled back. The bot is told of it with
    sequence numbers that no restore has given a second time.
    """
    if not dry_run:
        with transaction() as session:
            feed.pass_over(session)
    since = since.replace(microsecond=0)  # providers tell whole seconds
    payment_names = set[str]()
    for provider in settings.PROVIDERS:
        if settings.configured(settings.load(), provider):
            for finding in _ask(provider, since, dry_run=dry_run):
                payment_names |= finding.names
                yield finding
        elif _is_used(provider, since):
            yield Finding(provider, "could not be asked: it is not connected", is_open=True)
    yield from _parked(since, payment_names, dry_run=dry_run)


def _is_used(provider: str, since: datetime) -> bool:
    with reading() as reader:
        return lost_payments.is_used(reader, provider, since)


def _ask(provider: str, since: datetime, *, dry_run: bool) -> Iterator[Finding]:
    elsewhere = Counter[str]()
    try:
        for notices in _batches(registry.gateway(provider).list_since(since - CLOCKS_DIFFER)):
            with reading() as reader:
                rows = _rows(reader, provider, notices)
            for notice in notices:
                kept = notice.metadata
                if kept is not None and not lost_payments.is_of_this_service(kept):
                    elsewhere[str(kept.service)] += 1
                elif _is_news(notice, _row(rows, notice), since) and (
                    finding := _settle(notice, dry_run=dry_run)
                ):
                    yield finding
    except ProviderError as error:
        yield Finding(provider, f"could not be asked: {error}", is_open=True)
    for service, count in elsewhere.items():
        yield Finding(provider, f"left alone: {count} payments of {service}", is_open=False)


def _parked(since: datetime, payment_names: set[str], *, dry_run: bool) -> Iterator[Finding]:
    """Settle the events that waited for a payment which is there now; those that still wait."""
    with reading() as reader:
        ready = inbox.settleable(reader, since)
    for event in ready if not dry_run else ():
        with transaction() as session:
            settlement.settle(session, Notice.from_json(event.notice))
    with reading() as reader:
        waiting = inbox.of_no_payment(reader, since)
    would_be_settled = {event.id for event in ready}
    for event in waiting:
        notice = Notice.from_json(event.notice)
        names = (notice.reference, notice.payment_id, notice.charge_reference)
        known = payment_names & {f"{notice.provider} {name}" for name in names if name}
        if not known and event.id not in would_be_settled:
            yield _waiting(notice, f"{event.reason} ({event.kind})", event.received_at)


def _batches(notices: Iterator[Notice]) -> Iterator[list[Notice]]:
    while batch := list(islice(notices, BATCH)):
        yield batch


def _rows(reader: Reader, provider: str, notices: Sequence[Notice]) -> Rows:
    found = payments.named(
        reader,
        provider,
        payment_ids=[each.payment_id for each in notices if each.payment_id],
        references=[each.reference for each in notices if each.reference],
        charge_references=[each.charge_reference for each in notices if each.charge_reference],
    )
    return {
        name: row for row in found for name in _names(row.charge_reference, row.reference, row.id)
    }


def _row(rows: Rows, notice: Notice) -> PaymentRow | None:
    """Our payment that a notice is about; its ids are tried in the same order as by settlement."""
    names = _names(notice.charge_reference, notice.reference, notice.payment_id)
    return next((rows[name] for name in names if name in rows), None)


def _names(charge: str | None, page: str | None, payment_id: UUID | None) -> list[object]:
    known = ("charge", charge), ("page", page), ("id", payment_id)
    return [(kind, name) for kind, name in known if name is not None]


def _is_news(notice: Notice, row: PaymentRow | None, since: datetime) -> bool:
    """Whether our tables say something else. Of what is not ours, only what came since then is."""
    if row is not None:
        return settlement.would_change(row, notice)
    if notice.outcome not in lost_payments.PAID_OUTCOMES:
        return False
    return notice.metadata is not None or notice.occurred_at is None or notice.occurred_at >= since


def _settle(notice: Notice, *, dry_run: bool) -> Finding | None:
    """None when a webhook or another operator was faster."""
    try:
        with transaction() as session:
            finding = _settled(session, notice)
            if dry_run:
                raise _UndoneError(finding)
            return finding
    except _UndoneError as undone:
        return undone.finding


def _settled(session: Session, notice: Notice) -> Finding | None:
    before = _row(_rows(session, notice.provider, [notice]), notice)
    verdict = settlement.settle(session, notice)
    if verdict.state == "parked":
        return _waiting(notice, str(verdict.reason), notice.occurred_at)
    if verdict.payment_id is None:
        return None  # put aside by an operator
    after = payments.get(session, verdict.payment_id)
    was, tokens = ("lost", NOTHING) if before is None else (before.status, _held(before))
    if after.status == was and _held(after) == tokens:
        return None
    flag = f", {verdict.reason}" if verdict.is_for_the_operator else ""
    return _waiting(notice, f"{was}, now {after.status}{flag}", notice.occurred_at)._replace(
        is_open=False,
        payment_id=after.id,
        telegram_id=after.payer_telegram_id,
        tokens=_held(after) - tokens,
    )


def _held(payment: PaymentRow) -> Decimal:
    """The tokens that a payment has brought and that were not taken back."""
    return payment.tokens - payment.refunded_tokens if payment.paid_at else NOTHING


def _waiting(notice: Notice, what: str, moment: datetime | None) -> Finding:
    kept, paid = notice.metadata, None
    if notice.amount_minor is not None:
        stars = notice.currency == STARS
        paid = notice.amount_minor if stars else from_minor(notice.amount_minor)
    return Finding(
        notice.provider,
        what,
        is_open=True,
        moment=moment,
        reference=notice.reference or notice.charge_reference,
        payment_id=notice.payment_id,
        telegram_id=kept.telegram_id if kept else notice.payer_id,
        amount=None if paid is None else f"{paid} {notice.currency}",
    )
