"""A migration after the last release lets that release work on, while it runs and afterwards.

What each one sends to PostgreSQL is looked at, and each rule is tested against SQL that breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from db import schema
from lab.upgrade.release import newest_migration
from tests.databases import empty_database

# Tables of a few rows, which a migration may also write to.
SMALL = {"engines", "generation_models", "operators", "tariffs"}
# What may break code that does not know of it: names what the code still uses, or refuses what it
# still writes. Such a migration says `oldest_code`, or why it does not: `serves_older_code`.
BREAKING = (
    r"DROP (TABLE|COLUMN|FUNCTION|TRIGGER|SEQUENCE|TYPE)\b",
    r"ALTER TABLE .*\bRENAME\b",
    r"ALTER COLUMN \w+ (SET DATA )?TYPE\b",
    r"\bSET NOT NULL\b|\bDROP DEFAULT\b|\bSET GENERATED ALWAYS\b|\bSET DEFAULT\b",
    r"\bADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY KEY|FOREIGN KEY)\b",
    r"CREATE UNIQUE INDEX\b",
    r"CREATE (OR REPLACE )?(CONSTRAINT )?(TRIGGER|FUNCTION)\b",
)
# What holds a lock against everybody for as long as it reads the table. There is another way.
SLOW = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "build it concurrently",
    r"DROP INDEX (?!CONCURRENTLY)": "drop it concurrently",
    r"\bADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)": "NOT VALID, then VALIDATE",
    r"ADD COLUMN .*\bREFERENCES\b": "add the column, then the rule NOT VALID",
    r"\bADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY) \(": "build it concurrently, then USING INDEX",
    r"ALTER COLUMN \w+ (SET DATA )?TYPE\b": "add another column",
    r"\bSET NOT NULL\b": "add a CHECK NOT VALID, then VALIDATE",
}
WAITING = re.compile(r"(CREATE|DROP) (UNIQUE )?INDEX CONCURRENTLY|VALIDATE CONSTRAINT|SET |RESET ")


def about(sql: str, tables: set[str]) -> set[str]:
    """Those of the tables that a statement changes."""
    changed = r"ALTER TABLE(?: IF EXISTS)?(?: ONLY)?|DROP TABLE(?: IF EXISTS)?|^UPDATE|^DELETE FROM"
    names = re.findall(rf'(?:{changed}|\bON) "?(\w+)', sql)
    return tables.intersection(names)


def breaking(statements: Sequence[str], tables: set[str]) -> list[str]:
    """Statements that may break code that knows only these tables."""
    return [
        sql
        for sql in statements
        if (about(sql, tables) or re.match(r"DROP|CREATE OR REPLACE", sql))
        and not re.match(r"DROP INDEX", sql)
        and (any(re.search(rule, sql) for rule in BREAKING) or _wants_a_value(sql))
    ]


def _wants_a_value(sql: str) -> bool:
    """Whether a new column must be given by each INSERT."""
    parts = [part for part in re.split(r",\s*(?=ADD )", sql) if "ADD COLUMN" in part]
    return any("NOT NULL" in part and "DEFAULT" not in part for part in parts)


def slow(statements: Sequence[str], tables: set[str]) -> list[str]:
    """Statements for which everybody who uses these tables would wait, and what to do instead."""
    found, patient = [], False
    for sql in statements:
        if re.match(r"(RE)?SET lock_timeout", sql):
            patient = sql.startswith("SET")
        if patient and not WAITING.match(sql) and "VALIDATE CONSTRAINT" not in sql:
            found.append(f"{sql}: RESET lock_timeout before it")
        if re.match(r"UPDATE|DELETE", sql) and about(sql, tables - SMALL):
            found.append(f"{sql}: rows of a large table are changed by a command")
        if about(sql, tables) or sql.startswith("DROP INDEX"):
            ways = [way for rule, way in SLOW.items() if re.search(rule, sql)]
            found += [f"{sql}: {way}" for way in ways]
    return found


@contextmanager
def recorded() -> Iterator[list[str]]:
    """What is sent to PostgreSQL during the block, each statement in one line."""
    statements: list[str] = []

    def keep(connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        # Bodies of functions are not looked at; several statements may be sent at once.
        plain = re.sub(r"\$\$.*?\$\$|--[^\n]*", "", sql, flags=re.DOTALL)
        statements.extend(" ".join(each.split()) for each in plain.split(";") if each.strip())

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", keep)


@pytest.fixture
def released(postgres: str) -> Iterator[str]:
    """A database that the last release has migrated."""
    with empty_database(postgres) as url:
        schema.upgrade(url, newest_migration())
        yield url


def tables_of(url: str) -> set[str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return set(connection.scalars(text(names))) - {schema.VERSIONS}


def test_migrations_since_the_last_release_add_or_say_what_they_break(released: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    tables, said = tables_of(released), []
    for script in reversed(list(scripts.iterate_revisions("head", newest_migration()))):
        with recorded() as statements:
            schema.upgrade(released, script.revision)
        says = vars(script.module).keys() & {"oldest_code", "serves_older_code"}
        if not says:
            said += [f"{script.revision} may break: {s}" for s in breaking(statements, tables)]
        said += [f"{script.revision} makes wait: {s}" for s in slow(statements, tables)]
    assert said == [], "see docs/CONTRIBUTING.md, Migrations"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE users DROP COLUMN username",
        "ALTER TABLE users RENAME COLUMN username TO name",
        "ALTER TABLE users ADD COLUMN a text NOT NULL",
        "ALTER TABLE users ADD COLUMN b text DEFAULT '', ADD COLUMN a text NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT ck CHECK (a > 0) NOT VALID",
        "ALTER TABLE users ALTER COLUMN a DROP DEFAULT",
        "CREATE UNIQUE INDEX CONCURRENTLY uq ON users (a)",
        "DROP TABLE users",
        "DROP FUNCTION guard",
        "CREATE TRIGGER t AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f()",
    ],
)
def test_what_may_break_older_code_is_found(sql: str) -> None:
    assert breaking([sql], {"users"}) == [sql]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS a text",
        "ALTER TABLE users ADD COLUMN a text NOT NULL DEFAULT ''",
        "ALTER TABLE users ADD COLUMN a text DEFAULT '' NOT NULL, ADD COLUMN b text",
        "ALTER TABLE consents ADD CONSTRAINT ck CHECK (a > 0)",
        "CREATE TABLE consents (id uuid NOT NULL, user_id uuid REFERENCES users (id))",
        "CREATE INDEX CONCURRENTLY ix ON users (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS ix",
        "CREATE UNIQUE INDEX uq ON consents (a)",
    ],
)
def test_what_only_adds_is_let_through(sql: str) -> None:
    assert (breaking([sql], {"users"}), slow([sql], {"users"})) == ([], [])


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX ix ON users (a)",
        "DROP INDEX ix",
        "ALTER TABLE users ADD CONSTRAINT ck CHECK (a > 0)",
        "ALTER TABLE users ADD COLUMN a uuid REFERENCES data (id)",
        "ALTER TABLE users ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE users ALTER COLUMN a TYPE bigint",
        "UPDATE users SET a = 1",
        "SET lock_timeout = '10min'; ALTER TABLE users ADD COLUMN a text",
    ],
)
def test_what_makes_everybody_wait_is_found(sql: str) -> None:
    assert slow(sql.split("; "), {"users"})
