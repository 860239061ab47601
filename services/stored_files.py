"""Which of the things in the storage a row knows, and which rows have a file there.

After a restore to an earlier moment there are files that no row knows, and rows whose file was
deleted since. A store names what it has by its key, or by the SHA-256 of its key.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, func, literal_column, select, union_all

from db import Query, Reader, statement
from db.models import DATA_TYPES, Data, User

ERASED = "erased/"  # what begins so is no photo but a note that somebody was erased
PAGE = 1000  # rows
FIRST = UUID(int=0)
# What services.data.new_key() makes; a bucket may have backups, or what belongs to others.
_PHOTO = re.compile(
    rf"(?:{'|'.join(DATA_TYPES)})/[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.[^/]+"
)


class Name(NamedTuple):
    """What a store calls something."""

    name: str


class KeptFile(NamedTuple):
    """A confirmed file: see db.models.Data."""

    id: UUID
    storage_key: str
    purpose: str


class Id(NamedTuple):
    """The id of a user."""

    id: UUID


def named_as_photos(keys: list[str]) -> list[str]:
    """Those of `keys` that can be of our files."""
    return [key for key in keys if _PHOTO.fullmatch(key)]


def unknown(reader: Reader, names: list[str], *, hashed: bool) -> list[str]:
    """Those of `names` that no row knows.

    hashed: they are SHA-256 of keys. Then all rows are read, so ask for many at once.
    """
    known = {row.name for row in (_hashed if hashed else _by_key).all(reader, names)}
    return [name for name in names if name not in known]


def confirmed(reader: Reader, *, after: UUID = FIRST) -> list[KeptFile]:
    """The first PAGE files whose bytes should be stored, by id."""
    return _confirmed.all(reader, after, PAGE)


def people(reader: Reader, *, after: UUID = FIRST) -> list[UUID]:
    """The first PAGE users who are not erased, by id."""
    return [row.id for row in _people.all(reader, after, PAGE)]


def note_of(user_id: UUID) -> str:
    """The key under which the storage, which no restore of the database reaches, has the note that
    this person was erased.
    """
    return f"{ERASED}{user_id}"


def _listed(names: Any) -> Any:
    # With a name for the column: else `.name` would be a cast to the type of that name, 63 letters.
    return func.unnest(names).table_valued("name").render_derived()


def _sha256(key: Any) -> Any:
    utf8: Any = literal_column("'UTF8'")
    digits: Any = literal_column("'hex'")
    return func.encode(func.sha256(func.convert_to(key, utf8)), digits)


@statement(Name)
def _by_key(names: list[str]) -> Query:
    listed = _listed(names)
    kept = Data.storage_key == listed.c.name
    return select(listed.c.name).join(Data, kept).where(Data.deleted_at.is_(None))


@statement(Name)
def _hashed(names: list[str]) -> Query:
    files = select(_sha256(Data.storage_key).label("name")).where(Data.deleted_at.is_(None))
    notes = select(_sha256(literal_column(f"'{ERASED}'", Text) + cast(User.id, Text)).label("name"))
    known = union_all(files, notes).subquery()
    listed = _listed(names)
    return select(listed.c.name).join(known, known.c.name == listed.c.name)


@statement(KeptFile)
def _confirmed(after: UUID, limit: int) -> Query:
    return (
        select(*Data.columns(KeptFile))
        .where(Data.status == "confirmed", Data.id > after)
        .order_by(Data.id)
        .limit(limit)
    )


@statement(Id)
def _people(after: UUID, limit: int) -> Query:
    erased = User.erased_at.is_(None)
    return select(User.id).where(erased, User.id > after).order_by(User.id).limit(limit)
