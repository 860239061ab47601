"""A migration gives way to whoever works, and tells older code whether it is still served."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from db import schema
from db.connections import SESSION, connect
from tests.databases import empty_database
from tests.wire import wait_until

CODE = schema.head  # which the tests replace
HEAD, NEXT = CODE(), "9001"
Plant = Callable[..., None]


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """A database of its own at the newest migration."""
    with empty_database(postgres) as url:
        schema.upgrade(url)
        yield url


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Adds a migration to a copy of ours, for the code that plays the next release."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(schema, "MIGRATIONS", copy)
    CODE.cache_clear()

    def add(upgrade: str, *, revision: str = NEXT, after: str = HEAD, **names: str) -> None:
        marks = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        (copy / "versions" / f"{revision}_planted.py").write_text(
            f"from alembic import op\nrevision = {revision!r}\ndown_revision = {after!r}\n{marks}"
            f"def upgrade():\n    op.execute({upgrade!r})\ndef downgrade():\n    pass\n"
        )
        CODE.cache_clear()

    yield add
    CODE.cache_clear()


def objection(url: str) -> str:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return schema.objection(connection)


def test_older_code_learns_from_the_database_that_a_migration_has_broken_it(
    url: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("ALTER TABLE users ADD COLUMN planted text")
    plant("ALTER TABLE users DROP COLUMN username", revision="9002", after=NEXT, oldest_code=NEXT)
    plant("SELECT 1", revision="9003", after="9002")
    found = {}
    for revision in (NEXT, "9002", "9003"):
        schema.upgrade(url, revision)
        with monkeypatch.context() as older:
            older.setattr(schema, "head", lambda: HEAD)
            found[revision] = objection(url)
        with monkeypatch.context() as younger:
            younger.setattr(schema, "head", lambda: NEXT)
            assert objection(url) == ""
    needed = f"and needs code of {NEXT} or newer, this is of {HEAD}"
    assert found == {
        NEXT: "",
        "9002": f"database is at 9002 {needed}",
        "9003": f"database is at 9003 {needed}",
    }
    schema.downgrade(url, NEXT)
    monkeypatch.setattr(schema, "head", lambda: HEAD)
    assert objection(url) == ""


def test_a_migration_that_waits_for_a_lock_holds_nobody_up(url: str, plant: Plant) -> None:
    plant("ALTER TABLE users ADD COLUMN planted text")
    product = connect(url, pool_size=3)  # whose sessions wait two seconds for a lock
    assert SESSION["lock_timeout"] == "2s"
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass")
    read = text("SELECT count(*) FROM users")
    done: list[str] = []
    with product.connect() as watching, product.connect() as working:
        working.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        working.execute(read)  # its transaction holds a lock until it ends
        migrating = threading.Thread(target=lambda: done.append(schema.upgrade(url)))
        migrating.start()
        for _ in range(2):  # it comes back, and is held up again
            wait_until(lambda: watching.scalar(waits))
            with product.connect() as another:
                another.execute(read)
            watching.rollback()
        assert not done
        working.rollback()
        migrating.join(60)
    assert done == [NEXT]
    product.dispose()
