"""How PostgreSQL goes about the statements of a call, and what must not be among it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Engine, event

from bench.scale import rows
from bench.scale.calls import Call, Visit
from bench.scale.worlds import World, plain

GROWING = set(rows.COLUMNS)
# A page is 200 rows. What looks at many more rows than it gives would look at millions one day.
MOST_ROWS = 1000
MOST_SORTED = 1000
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

Node = dict[str, Any]


def of_call(call: Call, visit: Visit, engine: Engine) -> list[str]:
    """What is wrong with the plans of a call, which goes through `engine`."""
    call.prepare(visit)
    with heard(engine) as statements:
        call.work(visit)
    return faults(visit.world, statements)


@contextmanager
def heard(engine: Engine) -> Iterator[list[str]]:
    """The SQL that goes to the database, with its values."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append(cursor.mogrify(statement, parameters).decode())

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def faults(world: World, statements: list[str]) -> list[str]:
    """What is wrong with the plans of these statements; their effects are undone.

    Each is run once more, to see how many rows it looks at. One that cannot be repeated, since it
    makes a row that is there already, is only planned.
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
        elif table in GROWING and _looked_at(node) > MOST_ROWS:
            yield f"looks at {_looked_at(node):.0f} rows of {table}"
        elif "Sort" in kind and max(map(_rows, node["Plans"])) > MOST_SORTED:
            yield f"sorts {max(map(_rows, node['Plans'])):.0f} rows"


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _looked_at(node: Node) -> float:
    removed = (node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return (_rows(node) + float(sum(removed))) * float(node.get("Actual Loops", 1))


def _rows(node: Node) -> float:
    """What came out, or is expected to when nothing was run."""
    return float(node["Actual Rows"] if "Actual Rows" in node else node["Plan Rows"])
