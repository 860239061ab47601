"""The declarative root: naming of constraints, Python types to column types, CHECKs of enums."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    MetaData,
    Text,
    TextClause,
    Uuid,
    cast,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from db.types import Amount, UtcDateTime

PROVIDERS = ("yookassa", "stripe", "telegram")


def one_of(column: str, values: tuple[str, ...]) -> str:
    """SQL of a CHECK that `column` is one of `values`."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def newest(column: str) -> TextClause:
    """The order of lists in an index by owner; services/paging.py asks for exactly this order."""
    return text(f"{column} DESC NULLS LAST")


def in_time(name: str, column: str) -> Index:
    """An index of a few kilobytes over a moment, for tables whose rows lie in the order of time."""
    return Index(
        name,
        column,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 64, "autosummarize": True},
    )


class Table(DeclarativeBase):
    """What all tables have in common."""

    __mapper_args__ = {"eager_defaults": True}  # server-side values come back with RETURNING
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        str: Text,
        int: BigInteger,
        Decimal: Amount,
        datetime: UtcDateTime,
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }

    @classmethod
    def columns(cls, row: type[NamedTuple]) -> tuple[ColumnElement[Any], ...]:
        """The columns that `row` has a field for, in the order of its fields."""
        columns = cls.__mapper__.local_table.columns
        return tuple(columns[name] for name in row._fields if name in columns)

    @classmethod
    def shown(cls, row: type[NamedTuple]) -> tuple[ColumnElement[Any], ...]:
        """The same for lists that are only displayed: ids stay the text that the database sends.

        Turning them into UUIDs, only to print them again, takes a fifth of a list's time.
        """
        return tuple(
            cast(column, Text).label(column.key) if isinstance(column.type, Uuid) else column
            for column in cls.columns(row)
        )
