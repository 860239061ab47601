"""How PostgreSQL plans the statements of a call, and what no plan may contain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Engine, event

from lab.bench.scale import rows
from lab.bench.scale.calls import Call, Context
from lab.bench.scale.worlds import World
from settings.databases import plain

GROWING = set(rows.COLUMNS)
# A page is 200 rows. What reads many more rows than it returns would read millions one day.
MAX_ROWS = 1000
MAX_SORTED = 1000
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

Node = dict[str, Any]


def of_call(call: Call, context: Context, engine: Engine) -> list[str]:
    """Faults in the plans of a call that goes through `engine`."""
    call.prepare(context)
    with recorded(engine) as statements:
        call.work(context)
    return faults(context.world, statements)


@contextmanager
def recorded(engine: Engine) -> Iterator[list[str]]:
    """Record the SQL sent to the database, with its values."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append(cursor.mogrify(statement, parameters).decode())

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def faults(world: World, statements: list[str]) -> list[str]:
    """Faults in the plans of these statements, whose effects are rolled back.

    Each is run once more, to see how many rows it reads. One that cannot be repeated, because its
    row exists already, is only planned.
    """
    connection = psycopg2.connect(plain(world.url))
    found = []
    try:
        for statement in statements:
            if statement.lstrip().upper().startswith(EXPLAINED):
                plan = _plan(connection, statement)
                found += [f"{fault}: {statement[:200]}" for fault in _faults(plan)]
    finally:
        connection.close()
    return found


def _plan(connection: Any, statement: str) -> Node:
    for how in ("(ANALYZE, TIMING OFF, FORMAT JSON)", "(FORMAT JSON)"):
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {how} {statement}")
                plan: Node = cursor.fetchone()[0][0]["Plan"]
                return plan
        except psycopg2.IntegrityError:
            continue
        finally:
            connection.rollback()
    raise RuntimeError(f"no plan for {statement}")


def _faults(plan: Node) -> Iterator[str]:
    for node in _nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name")
        if kind == "Seq Scan" and table in GROWING:
            yield f"reads all of {table}"
        elif table in GROWING and _rows_read(node) > MAX_ROWS:
            yield f"looks at {_rows_read(node):.0f} rows of {table}"
        elif "Sort" in kind and max(map(_rows, node["Plans"])) > MAX_SORTED:
            yield f"sorts {max(map(_rows, node['Plans'])):.0f} rows"


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _rows_read(node: Node) -> float:
    removed = (node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return (_rows(node) + float(sum(removed))) * float(node.get("Actual Loops", 1))


def _rows(node: Node) -> float:
    """Rows returned, or expected if the statement was not run."""
    return float(node["Actual Rows"] if "Actual Rows" in node else node["Plan Rows"])
