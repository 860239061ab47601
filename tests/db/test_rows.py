"""A row says of its columns what the tables say."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args, get_type_hints

import pytest

from db import models, rows
from db.models import Table

TABLES = {name: getattr(models, name.removesuffix("Row"), None) for name in rows.__all__}


@pytest.mark.parametrize("name", TABLES)
def test_a_row_is_named_after_its_table(name: str) -> None:
    assert TABLES[name] is not None


@pytest.mark.parametrize("name", TABLES)
def test_a_field_has_the_type_of_the_column_that_it_is_named_after(name: str) -> None:
    row: type[NamedTuple] = getattr(rows, name)
    table: type[Table] | None = TABLES[name]
    columns: dict[str, Any] = {
        field: get_args(hint)[0] for field, hint in get_type_hints(table).items() if get_args(hint)
    }
    fields = {field: hint for field, hint in get_type_hints(row).items() if field in columns}
    assert fields
    assert fields == {field: columns[field] for field in fields}
