"""What a stack does to its database before anything else starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from db import schema
from local.database import prepare
from local.stack import Stack, StackError
from tests.databases import empty_database


def rows(url: str) -> tuple[str, int]:
    engine = create_engine(url)
    with engine.connect() as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        tariffs = connection.scalar(text("SELECT count(*) FROM tariffs"))
    engine.dispose()
    return revision, tariffs


def test_an_empty_database_gets_tables_and_prices_and_a_prepared_one_nothing(postgres: str) -> None:
    with empty_database(postgres) as url:
        prepare(url)
        assert rows(url) == (schema.head(), 3)
        prepare(url)
        assert rows(url) == (schema.head(), 3)


def test_a_database_that_cannot_be_prepared_is_named_and_nothing_starts(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    stack = Stack(tmp_path, port=0, database_url=nowhere, programs=())
    with pytest.raises(StackError, match=r"database cannot be prepared.*refused"):
        stack.start()
    assert stack.children == []
