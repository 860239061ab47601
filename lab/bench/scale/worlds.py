"""Two databases in one PostgreSQL, the same in all but size, filled by COPY."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import psycopg2
from sqlalchemy.engine import make_url

from db import schema
from lab.bench.scale import rows
from lab.bench.scale.people import LOTTERIES, Block
from local import database
from settings.databases import plain

GIBIBYTE = 1024**3
# A filled block takes 87 MiB; the rest, and the reserve, is for sorting indexes.
BYTES_PER_BLOCK = 110 * 1024 * 1024
RESERVE_BYTES = 3 * GIBIBYTE
AT_ONCE = 2

Report = Callable[[str], None]
Content = dict[str, tuple[list[str], bytes]]

_MODELS = """
INSERT INTO generation_models (id, name, service_type, engine, price_tokens, price_rub, is_default)
VALUES (%s, 'animate-standard', 'animate', 'embedded', 1000, 10000, true),
       (%s, 'restore-standard', 'restore', 'embedded', 500, 5000, true)
"""
_LOTTERY = """
INSERT INTO lotteries (id, title, description, start_date, end_date, prizes, seed, seed_hash,
                       entries_hash, drawn_at)
VALUES (%s, %s, '', %s, %s, '[{"title": "A photo", "count": 3, "tokens": 10}]', %s, '0', %s, %s)
"""
_WINNERS = """
INSERT INTO lottery_winners (lottery_id, place, entry_id, prize, tokens)
SELECT lottery_id, place, id, 'A photo', 1000 FROM (
    SELECT id, lottery_id, row_number() OVER (PARTITION BY lottery_id ORDER BY number) AS place
    FROM lottery_entries WHERE lottery_id <> %s AND user_id::text LIKE '%%00000000') first
WHERE place <= 3
"""
# Foreign keys are dropped first and added last, as they depend on the others.
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype = 'f'
FROM pg_constraint
WHERE contype IN ('p', 'u') AND conrelid::regclass::text = ANY(%(tables)s)
   OR contype = 'f' AND (conrelid::regclass::text = ANY(%(tables)s)
                         OR confrelid::regclass::text = ANY(%(tables)s))
ORDER BY contype = 'f' DESC, conname
"""
_INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes i
WHERE tablename = ANY(%s)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = i.indexname)
ORDER BY indexname
"""


@dataclass(frozen=True)
class World:
    """A filled database of `blocks` times ten thousand users."""

    name: str
    url: str
    blocks: int

    @property
    def users(self) -> int:
        """How many users it has."""
        return self.blocks * rows.USERS

    def connect(self) -> Any:
        """A new connection in autocommit mode."""
        connection = psycopg2.connect(plain(self.url))
        connection.autocommit = True
        return connection


def require_space(folder: Path, blocks: int) -> None:
    """ClickException when the disk of `folder` has no space for so many blocks."""
    needed = blocks * BYTES_PER_BLOCK + RESERVE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise click.ClickException(
            f"{needed / GIBIBYTE:.1f} GiB are needed in {folder}, {free / GIBIBYTE:.1f} are free:"
            " name another folder with --folder, or a smaller world with --users"
        )


def fill(server_url: str, sizes: dict[str, int], *, report: Report) -> dict[str, World]:
    """Create databases with so many blocks of users each; existing ones are kept."""
    worlds = {
        name: World(name, make_url(server_url).set(database=name).render_as_string(False), blocks)
        for name, blocks in sizes.items()
    }
    missing = [world for world in worlds.values() if not _exists(server_url, world.name)]
    if missing:
        now = datetime.now(UTC)
        content = Block(now).content()
        for world in missing:
            _create(server_url, world, content, now=now, report=report)
    return worlds


def size_bytes(world: World) -> int:
    """What the database takes on disk."""
    with world.connect().cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _exists(server_url: str, name: str) -> bool:
    connection = psycopg2.connect(plain(server_url))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def _create(
    server_url: str, world: World, content: Content, *, now: datetime, report: Report
) -> None:
    """A draft is renamed when it is complete, so that an interrupted fill starts again."""
    draft_name = f"{world.name}_draft"
    draft = World(
        world.name,
        make_url(world.url).set(database=draft_name).render_as_string(False),
        world.blocks,
    )
    server = psycopg2.connect(plain(server_url))
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {draft_name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {draft_name}")
        schema.upgrade(draft.url)
        _seed(draft, now)
        _load(draft, content, report=report)
        cursor.execute(f"ALTER DATABASE {draft_name} RENAME TO {world.name}")
    server.close()


def _seed(world: World, now: datetime) -> None:
    """Insert what exists before the first user."""
    connection = world.connect()
    with connection.cursor() as cursor:
        cursor.execute(_MODELS, [str(rows.model_id(each)) for each in ("animate", "restore")])
        for number in range(LOTTERIES):
            start = now - timedelta(days=30 * number + 10)
            end = start + timedelta(days=30)
            drawn = number > 0
            cursor.execute(
                _LOTTERY,
                [
                    *(str(rows.lottery_id(number)), f"Lottery {number}", start, end, str(number)),
                    *("0" * 64 if drawn else None, end if drawn else None),
                ],
            )
    connection.close()
    database.prepare(world.url)  # adds what is missing


def _load(world: World, content: Content, *, report: Report) -> None:
    started = time.monotonic()
    with _without_indexes(world, list(content), report=report):
        for table in _run_all(content, lambda table: _copy(world, table, *content[table])):
            lines = content[table][1].count(b"\n") * world.blocks
            report(f"{world.name}: {lines:,} rows of {table}, {time.monotonic() - started:.0f} s")
    connection = world.connect()
    with connection.cursor() as cursor:
        cursor.execute(_WINNERS, [str(rows.lottery_id(0))])
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    connection.close()
    report(f"{world.name}: filled in {time.monotonic() - started:.0f} s")


def _run_all(content: Content, work: Callable[[str], None]) -> Iterator[str]:
    """Run `work` for each table, largest first, AT_ONCE at a time; yields tables as they finish."""
    tables = sorted(content, key=lambda table: -len(content[table][1]))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(work, tables)
        for table, _ in zip(tables, done, strict=True):
            yield table


def _copy(world: World, table: str, columns: list[str], text: bytes) -> None:
    """Load all blocks of one table with one frozen COPY, so that no VACUUM rewrites them."""
    connection = psycopg2.connect(plain(world.url))
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the books are checked later
        cursor.execute(f"TRUNCATE {table}")
        cursor.copy_expert(
            f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH (FREEZE)",
            io.BufferedReader(_Blocks(text, world.blocks), 1024 * 1024),
            1024 * 1024,
        )
    connection.close()


class _Blocks(io.RawIOBase):
    """The same text for block 0, 1, 2... in sequence."""

    def __init__(self, text: bytes, blocks: int) -> None:
        self._text, self._blocks = text, blocks
        self._number, self._at = 0, 0
        self._current = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._at == len(self._current):
            if self._number == self._blocks:
                return 0
            place = f"{self._number:08d}".encode()
            self._current = self._text.replace(rows.BLOCK.encode(), place)
            self._number, self._at = self._number + 1, 0
        part = self._current[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


@contextmanager
def _without_indexes(world: World, tables: list[str], *, report: Report) -> Iterator[None]:
    """Drop indexes and foreign keys, and build them once at the end: sorting beats inserting row by
    row, and each foreign key then checks all rows.
    """
    connection = world.connect()
    cursor = connection.cursor()
    cursor.execute(_CONSTRAINTS, {"tables": tables})
    constraints = cursor.fetchall()
    cursor.execute(_INDEXES, [tables])
    indexes = cursor.fetchall()
    for table, name, _, _ in constraints:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for _, name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    _build_indexes(world, tables, constraints, indexes, report=report)
    connection.close()


def _build_indexes(
    world: World, tables: list[str], constraints: list[Any], indexes: list[Any], *, report: Report
) -> None:
    started = time.monotonic()
    build: dict[str, list[str]] = {table: [] for table in tables}
    for table, name, definition, foreign in constraints:
        if not foreign:
            build[table].append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for table, _, definition in indexes:
        build[table].append(definition)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for table in pool.map(lambda table: _run(world, table, build[table]), tables):
            report(f"{world.name}: indexes of {table}, {time.monotonic() - started:.0f} s")
    keys = [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        for table, name, definition, foreign in constraints
        if foreign
    ]
    _run(world, "", keys)
    report(f"{world.name}: foreign keys, {time.monotonic() - started:.0f} s")


def _run(world: World, table: str, statements: list[str]) -> str:
    connection = world.connect()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()
    return table
