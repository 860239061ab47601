"""How it is declared what a table keeps about people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Text, Uuid, bindparam, literal

from db.models import Table

# Whose rows: the user's id and telegramId. The names of columns are taken in an UPDATE.
OWNER = bindparam("owner_id", type_=Uuid())
ACCOUNT = bindparam("owner_telegram_id", type_=Text())
BOOKS = "what was sold for how much: the tax books, and the proof of the ledger"


@dataclass(frozen=True)
class Kept:
    """What a table keeps about people.

    title: Russian, for who reads an export. rows: those of the person. exported: columns.
    computed: what is exported besides. left_out: why columns are not -> those columns. erased:
    column -> what it becomes; None deletes the rows. harmless: the other columns with words, which
    are ours or a provider's and about nobody. stays: why the rest stays.
    """

    table: type[Table]
    title: str
    rows: ColumnElement[bool]
    exported: str
    erased: Mapping[str, Any] | None
    stays: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    computed: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    harmless: str = ""

    @property
    def name(self) -> str:
        """The table's."""
        return str(self.table.__tablename__)


def words(text: str) -> ColumnElement[str]:
    """A value for a column of text."""
    return literal(text, Text())
