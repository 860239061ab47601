"""What must be true when the faults are over: the customers' books against rows and files.

It knows the tables and the layout of the disk store; the customers, who wrote the books, do not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Data, Event, IdempotencyKey, Job, Payment, PaymentEvent, Transaction, User
from lab.chaos.books import Books
from providers.storage.disk import DiskStorage
from services import ledger

FINAL = ("done", "failed")
LIVE = ("waiting_payment", "queued")


@dataclass(frozen=True)
class Check:
    """One rule for all `looked_at` items, and each case that breaks it."""

    rule: str
    looked_at: int
    losses: list[str]


def rows(session: Session, books: Books) -> Iterator[Check]:
    """All checks that need only the database, with workers idle."""
    broken = [
        f"{rule}: {row}" for rule, found in ledger.violations(session).items() for row in found
    ]
    yield Check("the ledger check is clean", _count(session, Transaction), broken)
    yield _people(session, books)
    yield from _payments(session, books)
    yield from _jobs(session, books)
    yield _reported_ends(session)
    yield _keys(session, books)
    events = list(session.scalars(select(PaymentEvent)))
    open_ones = [
        f"{event.id}: {event.kind} is {event.state}, {event.reason}"
        for event in events
        if event.state not in ("applied", "ignored")
    ]
    yield Check("no event of a provider waits for an operator", len(events), open_ones)


def files(session: Session, folder: Path, books: Books) -> Iterator[Check]:
    """Every object belongs to a row, and every confirmed row has its object, byte for byte."""
    store = DiskStorage(folder, base_url="")
    yield Check("every file belongs to a row", *orphans(session, folder))
    confirmed = list(session.scalars(select(Data).where(Data.status == "confirmed")))
    wrong = []
    for row in confirmed:
        found = store.head(row.storage_key)
        if found is None or found.size != row.size_bytes:
            wrong.append(f"{row.id}: {row.size_bytes} bytes were promised, there is {found}")
    yield Check("every confirmed row has its file", len(confirmed), wrong)
    keys = {str(row.id): row.storage_key for row in confirmed}
    altered = [
        f"{data_id}: acknowledged, and not there as it was sent"
        for data_id, digest in books.uploads.items()
        if data_id not in keys or _digest(store, keys[data_id]) != digest
    ]
    yield Check("an acknowledged upload has its bytes", len(books.uploads), altered)


def leftovers(session: Session, folder: Path, work: Path) -> Check:
    """What interrupted work left behind; the sweeps must have removed it.

    work: where programs make their temporary files.
    """
    found = [str(path) for path in (*(folder / "incoming").iterdir(), *work.iterdir())]
    unswept = select(Data).where(Data.status != "confirmed", Data.deleted_at.is_(None))
    found += [f"data {row.id} is still {row.status}" for row in session.scalars(unswept)]
    swept = select(func.count()).select_from(Data).where(Data.deleted_at.is_not(None))
    looked_at = (session.scalar(swept) or 0) + len(found)
    found += orphans(session, folder)[1]
    return Check("a day later what was cut off has been swept", looked_at, found)


def orphans(session: Session, folder: Path) -> tuple[int, list[str]]:
    """The number of objects, and those without a row."""
    keys = session.scalars(select(Data.storage_key).where(Data.deleted_at.is_(None)))
    names = {hashlib.sha256(key.encode()).hexdigest() for key in keys}
    objects = [path for path in (folder / "objects").rglob("*") if path.is_file()]
    return len(objects), [str(path) for path in objects if path.stem not in names]


def _people(session: Session, books: Books) -> Check:
    ids = {str(user.id): user.telegram_id for user in session.scalars(select(User))}
    lost = [
        f"{user_id}: promised to {person.telegram_id}, belongs to {ids.get(user_id, 'nobody')}"
        for user_id, person in books.people.items()
        if ids.get(user_id) != person.telegram_id
    ]
    return Check("an acknowledged user is the one of that telegramId", len(books.people), lost)


def _payments(session: Session, books: Books) -> Iterator[Check]:
    known = {str(row.id): row for row in session.scalars(select(Payment))}
    lost = [
        f"{payment_id}: promised with reference {intent.reference}"
        for payment_id, intent in books.intents.items()
        if payment_id not in known or known[payment_id].reference != intent.reference
    ]
    yield Check("an acknowledged payment page is that of its payment", len(books.intents), lost)
    credits: dict[str, list[int]] = defaultdict(list)
    for payment_id, tokens in session.execute(
        select(Transaction.payment_id, Transaction.tokens_delta).where(
            Transaction.type == "purchase"
        )
    ):
        credits[str(payment_id)].append(int(tokens * 100))
    wrong = [
        f"{payment_id}: credited {credits.get(payment_id, [])} hundredths of tokens"
        for payment_id in books.paid
        if credits.get(payment_id, []) != [int(books.intents[payment_id].tokens * 100)]
    ]
    yield Check("an acknowledged payment is credited once", len(books.paid), wrong)
    unpaid_credits = [payment_id for payment_id in credits if payment_id not in books.paid]
    unpaid = len(books.intents) - len(books.paid)
    yield Check("what nobody paid is not credited", unpaid, unpaid_credits)


def _jobs(session: Session, books: Books) -> Iterator[Check]:
    jobs = {str(job.id): job for job in session.scalars(select(Job))}
    lost = []
    for job_id, user_id in books.jobs.items():
        job = jobs.get(job_id)
        if job is None or str(job.user_id) != user_id or job.status not in FINAL + LIVE:
            lost.append(f"{job_id}: acknowledged, now {job.status if job else 'nowhere'}")
    yield Check("an acknowledged job is in a final or live state", len(books.jobs), lost)
    unknown = [job_id for job_id in jobs if job_id not in books.jobs]
    yield Check("there is no job that nobody ordered", len(jobs), unknown)
    not_cancelled = [
        f"{job_id}: cancelled, and {jobs[job_id].status}"
        for job_id in books.cancelled
        if job_id in jobs and jobs[job_id].meta.get("reason") != "cancelled"
    ]
    yield Check("an acknowledged cancel stays one", len(books.cancelled), not_cancelled)
    stuck = [
        f"{job.id}: {job.status}, held by {job.worker} until {job.lease_until}"
        for job in jobs.values()
        if job.status in ("processing", "queued") or job.lease_until or job.worker
    ]
    yield Check("no job is stuck in the queue or with a lease", len(jobs), stuck)
    done = [job for job in jobs.values() if job.status == "done"]
    stored = {str(each) for each in session.scalars(_CONFIRMED)}
    empty = [
        str(job.id)
        for job in done
        if any(each["dataId"] not in stored for each in job.output if "dataId" in each)
    ]
    yield Check("a done job has its result", len(done), empty)


def _reported_ends(session: Session) -> Check:
    """The bot hears of the end of each order once, and of nothing that did not happen."""
    ends: dict[str, list[str]] = defaultdict(list)
    for event in session.scalars(select(Event).where(Event.type.in_(("job.done", "job.failed")))):
        ends[event.body["job"]["id"]].append(event.type)
    wrong = []
    for job in session.scalars(select(Job)):
        expected = [f"job.{job.status}"] if job.status in FINAL else []
        if (types := ends.pop(str(job.id), [])) != expected:
            wrong.append(f"{job.id}: {job.status}, and the bot was told {types}")
    wrong += [f"{job_id}: told {types}, and there is no such job" for job_id, types in ends.items()]
    return Check("the end of every order is told once", len(wrong) + _count(session, Job), wrong)


_CONFIRMED = select(Data.id).where(Data.status == "confirmed")


def _keys(session: Session, books: Books) -> Check:
    twice = [f"{key}: answered {ids}" for key, ids in books.answers.items() if len(ids) != 1]
    unanswered = session.scalars(select(IdempotencyKey.key).where(IdempotencyKey.status.is_(None)))
    open_ones = [f"{key}: never answered" for key in unanswered]
    return Check("one key, one answer", len(books.answers), twice + open_ones)


def _digest(store: DiskStorage, key: str) -> str | None:
    if store.head(key) is None:
        return None
    with store.open(key) as file:
        return hashlib.sha256(file.read()).hexdigest()


def _count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0
