"""What must be true of a database that was restored to a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Data, Job, Payment, Transaction, User
from lab.chaos.audit import Check
from lab.chaos.books import Books
from services import ledger

# Ids by the noun of what they name, as customers were told them.
KnownIds = dict[str, frozenset[str]]

TABLES: dict[str, type[User] | type[Data] | type[Job] | type[Payment]] = {
    "user": User,
    "upload": Data,
    "order": Job,
    "payment page": Payment,
}


def known_ids(books: Books) -> KnownIds:
    """What stands in the books now; the threads that write them may go on."""
    columns: tuple[Iterable[str], ...] = (books.people, books.uploads, books.jobs, books.intents)
    return {name: frozenset(tuple(ids)) for name, ids in zip(TABLES, columns, strict=True)}


def rows(session: Session, known: KnownIds, books: Books, moment: datetime) -> Iterator[Check]:
    """The database is exactly that of the moment: all from before, nothing from after."""
    violations = ledger.violations(session)
    broken = [f"{rule}: {row}" for rule, found in violations.items() for row in found]
    count = session.scalar(select(func.count()).select_from(Transaction)) or 0
    yield Check("the ledger check is clean", count, broken)
    for name, all_ids in known_ids(books).items():
        table = TABLES[name]
        there = {str(each) for each in session.scalars(select(table.id))}
        lost = [f"{each} is not there" for each in known[name] - there]
        yield Check(f"{name} from before the moment: is there", len(known[name]), lost)
        newer = session.scalars(select(table.id).where(table.created_at > moment))
        kept = [f"{each} is newer" for each in newer]
        yield Check(f"{name} from after it: is not", len(all_ids - known[name]), kept)
