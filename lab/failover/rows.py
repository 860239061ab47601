"""Which acknowledged rows a server has: those of strangers and of customers' books."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from lab.chaos.audit import Check
from lab.chaos.books import Books
from settings.databases import in_psycopg2

Ids = Mapping[str, set[str]]  # table -> ids of rows


def promised(books: Books, registered: Collection[str]) -> Ids:
    """What was acknowledged until now."""
    return {
        "users": {*registered, *books.people},
        "payments": set(books.intents),
        "jobs": set(books.jobs),
        "data": set(books.uploads),
    }


def missing(url: str, wanted: Ids) -> Ids:
    """Those that the server at `url` does not have."""
    engine = create_engine(in_psycopg2(url), poolclass=NullPool)
    with engine.connect() as connection:
        lost = {}
        for table, ids in wanted.items():
            # The names are those above.
            found = text(f"SELECT id::text FROM {table} WHERE id::text = ANY(:ids)")
            lost[table] = ids - set(connection.scalars(found, {"ids": list(ids)}))
    return lost


def acknowledged(url: str, wanted: Ids) -> Check:
    """Whether everything that somebody was promised is a row."""
    lost = [f"{table} {each}" for table, ids in missing(url, wanted).items() for each in ids]
    looked_at = sum(map(len, wanted.values()))
    return Check("what was acknowledged is a row", looked_at, lost)


def sentence(wanted: Ids, lost: Ids, nowhere: Ids, *, paid: set[str]) -> str:
    """What was lost, and how much of it the old primary still has."""
    counted = ", ".join(
        f"{len(lost[table])} of {len(ids)} {table}" for table, ids in wanted.items()
    )
    total = sum(map(len, lost.values()))
    kept = total - sum(map(len, nowhere.values()))
    unpaid = len(lost["payments"] & paid)
    return (
        f"lost: {counted} ({unpaid} of these payments were paid); "
        f"{kept} of these {total} rows are on the old primary's disk"
    )
