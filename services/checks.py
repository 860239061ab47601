"""Proofs of the books and of the figures: what they prove, and what each found, kept for ever."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Select, UpdateBase, delete, exists, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from db import Query, Reader, scalar, statement, write
from db.models import AskedCheck, Check, Transaction
from services import day_figures, days, ledger

NIGHT_HOURS = (3, 6)  # of services.days; when few people order
LATEST = timedelta(hours=36)  # a check is made by then, whatever the hour
SAME_NIGHT = timedelta(hours=12)
COMPARED_DAYS = 35
LEDGER, FIGURES = "ledger", "figures"


class CheckRow(NamedTuple):
    """A check: see db.models.Check."""

    number: int
    subject: str
    checked_at: datetime
    milliseconds: int
    rows: int
    violations: dict[str, Any]

    @property
    def broken(self) -> int:
        """How many rules are broken."""
        return len(self.violations)


class Proof(NamedTuple):
    """What a check found: rule -> what breaks it, empty for a rule that holds."""

    rows: int
    rules: dict[str, list[str]]

    @property
    def violations(self) -> dict[str, list[str]]:
        """The rules that are broken."""
        return {rule: broken for rule, broken in self.rules.items() if broken}


def prove_ledger(session: Session) -> Proof:
    """Check the books of all users; takes minutes where there are many: see db.snapshot()."""
    rows = session.scalar(select(func.count()).select_from(Transaction))
    return Proof(rows or 0, ledger.violations(session))


def prove_figures(session: Session, *, now: datetime) -> Proof:
    """Compare the figures kept of the last days with the tables, and their sums with the ledger.

    Of days that have ended; a day that is not kept yet is no violation, it is on its way.
    """
    today = days.of(now)
    compared = days.last(today - days.ONE, COMPARED_DAYS)
    kept = day_figures.finished(session, since=compared[0])
    wrong = [line for day in compared if day in kept for line in _differences(session, day)]
    rules = {"the figures of a day are those of its rows": wrong}
    if day_figures.is_complete(session, now=now):
        rules |= _sums(session, today)
    return Proof(len(kept), rules)


def claim(session: Session, subject: str) -> bool:
    """Be the only one to make this check until the transaction ends; False when another one is."""
    key = func.hashtextextended(f"check {subject}", 0)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(key))))


def can_be_kept(session: Session) -> bool:
    """Whether this database takes writes; a standby, which checks are also made on, does not."""
    return not session.scalar(select(func.pg_is_in_recovery()))


def ask(session: Session, subject: str) -> None:
    """Have a worker make this check soon, whatever the hour."""
    session.execute(upsert(AskedCheck).values(subject=subject).on_conflict_do_nothing())


def is_asked(reader: Reader, subject: str) -> bool:
    """Whether somebody asked for this check and it was not made yet."""
    return bool(_is_asked(reader, subject))


def record(session: Session, subject: str, proof: Proof, *, seconds: float) -> CheckRow:
    """Keep what a check found; whoever asked for it has it now."""
    _answered(session, subject)
    return _insert.one(
        session,
        subject=subject,
        milliseconds=round(seconds * 1000),
        rows=proof.rows,
        violations=proof.violations,
    )


def latest(reader: Reader, subject: str) -> CheckRow | None:
    """The last check of the ledger or of the figures; None before the first."""
    rows = recent(reader, subject, limit=1)
    return rows[0] if rows else None


def recent(reader: Reader, subject: str, *, limit: int) -> list[CheckRow]:
    """The last checks, the newest first."""
    return _recent.all(reader, subject, limit)


def is_due(reader: Reader, subject: str, *, now: datetime) -> bool:
    """Whether a check should be made now: asked for, once in a night, and never much too late."""
    last = latest(reader, subject)
    if last is None or is_asked(reader, subject):
        return True
    age = now - last.checked_at
    at_night = NIGHT_HOURS[0] <= days.hour(now) < NIGHT_HOURS[1]
    return age > LATEST or (at_night and age > SAME_NIGHT)


def _differences(session: Session, day: date) -> list[str]:
    """How what is kept of a day differs from what the tables say."""
    found = []
    for kept, true in (
        (day_figures.stored(session, day), day_figures.of_day(session, day)),
        (day_figures.stored_steps(session, day), day_figures.steps_of_day(session, day)),
    ):
        stale = {row[:2]: row for row in set(kept) - set(true)}
        right = {row[:2]: row for row in set(true) - set(kept)}
        for key in sorted(stale.keys() | right.keys(), key=str):
            was, is_now = (_figures_of(rows.get(key)) for rows in (stale, right))
            found.append(f"{day} {key[0]} {key[1]}: kept {was}, the tables say {is_now}")
    return found


def _figures_of(row: tuple[Any, ...] | None) -> str:
    return "nothing" if row is None else " ".join(str(value) for value in row[2:] if value)


def _sums(session: Session, today: date) -> dict[str, list[str]]:
    """All days together, against all rows of the ledger before today."""
    start, _ = days.bounds(today)
    found = {}
    for rule, kept, true in session.execute(_SUMS, {"today": today, "start": start}):
        same = Decimal(kept) == Decimal(true)
        found[rule] = [] if same else [f"kept {kept / 100:.2f}, the ledger says {true / 100:.2f}"]
    return found


_SUMS = text(
    """
WITH kept AS (SELECT kind, sum(rub) AS rub, sum(tokens) AS tokens FROM daily_figures
              WHERE day < :today AND kind IN ('paid', 'returned', 'moved') GROUP BY kind),
     books AS (SELECT coalesce(sum(tokens_delta), 0) AS tokens,
                      coalesce(sum(amount_rub) FILTER (WHERE type = 'purchase'), 0) AS paid,
                      coalesce(-sum(amount_rub) FILTER (
                          WHERE type = 'refund' AND payment_id IS NOT NULL), 0) AS returned
               FROM transactions WHERE created_at < :start)
SELECT 'all days together moved the tokens of the ledger',
       coalesce((SELECT tokens FROM kept WHERE kind = 'moved'), 0), tokens FROM books
UNION ALL
SELECT 'all days together took the rubles of the ledger',
       coalesce((SELECT rub FROM kept WHERE kind = 'paid'), 0), paid FROM books
UNION ALL
SELECT 'all days together returned the rubles of the ledger',
       coalesce((SELECT rub FROM kept WHERE kind = 'returned'), 0), returned FROM books
"""
)


@statement(CheckRow)
def _insert(subject: str, milliseconds: int, rows: int, violations: dict[str, Any]) -> Query:
    values = {
        "subject": subject,
        "milliseconds": milliseconds,
        "rows": rows,
        "violations": violations,
        "checked_at": func.clock_timestamp(),
    }
    return insert(Check).values(values).returning(*Check.columns(CheckRow))


@scalar
def _is_asked(subject: str) -> Select[bool]:
    return select(exists().where(AskedCheck.subject == subject))


@write
def _answered(subject: str) -> UpdateBase:
    return delete(AskedCheck).where(AskedCheck.subject == subject)


@statement(CheckRow)
def _recent(subject: str, limit: int) -> Query:
    return (
        select(*Check.columns(CheckRow))
        .where(Check.subject == subject)
        .order_by(Check.number.desc().nulls_last())
        .limit(limit)
    )
