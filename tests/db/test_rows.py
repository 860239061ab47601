"""A row says of its columns what the tables say."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest

from db import models, rows
from db.rows.ids import Id

OTHERS: dict[str, Any] = {"LockedPayment": models.Payment, "ListedJob": models.Job}
ROWS = {name: getattr(rows, name) for name in rows.__all__}


def table_of(row: str) -> Any:
    """The model that a row is named after, or whose columns it has."""
    return OTHERS.get(row) or getattr(models, row.removesuffix("Row"))


def concrete(hint: Any) -> Any:
    """The type of a field, with UUID for ids that may be text."""
    if hint is Id:
        return UUID
    return hint[UUID] if getattr(hint, "__parameters__", ()) else hint


@pytest.mark.parametrize("name", ROWS)
def test_a_field_has_the_type_of_the_column_that_it_is_named_after(name: str) -> None:
    mapped = get_type_hints(table_of(name)).items()
    columns = {field: get_args(hint)[0] for field, hint in mapped if get_args(hint)}
    fields = {field: concrete(hint) for field, hint in get_type_hints(ROWS[name]).items()}
    shared = fields.keys() & columns.keys()
    assert shared
    assert {field: fields[field] for field in shared} == {field: columns[field] for field in shared}
