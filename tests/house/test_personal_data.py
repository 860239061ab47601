"""Every table and column is either declared as a person's, with what becomes of it, or as nobody's.

A new column fails here until services/personal_data says whether an export shows it and whether an
erasure takes it away.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB

from db.models import Table
from services.personal_data import KEPT, NOBODYS, Kept

TABLES: dict[str, Any] = dict(Table.metadata.tables)


def columns(kept: Kept) -> set[str]:
    return set(TABLES[kept.name].columns.keys())


def left_out(kept: Kept) -> set[str]:
    return {name for names in kept.left_out.values() for name in names.split()}


def refers_to_people(table: Any) -> bool:
    people = {kept.name for kept in KEPT}
    return any(key.column.table.name in people for key in table.foreign_keys)


def test_every_table_is_a_person_s_or_nobody_s() -> None:
    declared = [kept.name for kept in KEPT]
    assert sorted([*declared, *NOBODYS]) == sorted(TABLES), (
        "say in services/personal_data what a new table keeps about people"
    )


@pytest.mark.parametrize("name", NOBODYS)
def test_from_a_table_of_nobody_no_key_leads_to_a_person(name: str) -> None:
    assert not refers_to_people(TABLES[name])


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_every_column_is_exported_or_left_out_with_a_reason(kept: Kept) -> None:
    exported = set(kept.exported.split())
    assert exported.isdisjoint(left_out(kept))
    assert exported | left_out(kept) == columns(kept)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_every_column_with_words_goes_or_is_declared_harmless(kept: Kept) -> None:
    if kept.erased is None:  # the rows go
        return
    worded = {
        name
        for name, column in TABLES[kept.name].columns.items()
        if isinstance(column.type, Text | JSONB)
    }
    assert kept.stays, "say why the rest stays"
    assert worded <= {*kept.erased, *kept.harmless.split()}
    assert {*kept.erased, *kept.harmless.split()} <= columns(kept)
