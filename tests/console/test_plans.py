"""The lists of the console's own tables come from indexes, however much operators have done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from db import transaction
from db.connections import engine
from db.types import now
from services import audit, form_keys, login_waits, operator_sessions

FILL = """
INSERT INTO audit_entries (id, at, who, role, action, target, outcome, request_id)
SELECT gen_random_uuid(), now() - n * interval '1 minute', 'who' || n % 40, 'support',
       'action' || n % 30, 'job:' || n % 5000, 'done', 'request' || n
FROM generate_series(20000, 1, -1) n;
INSERT INTO login_failures SELECT 'name:' || n, 1, now() - n * interval '1 minute'
FROM generate_series(1, 20000) n;
INSERT INTO operators (id, name, role, totp_secret) VALUES (gen_random_uuid(), 'anna', 'admin', '');
INSERT INTO form_keys SELECT gen_random_uuid()::text, id, 'done', now() - n * interval '1 second'
FROM operators, generate_series(1, 20000) n
"""
PAST = now() - timedelta(days=10)

READS: dict[str, Callable[[Session], object]] = {
    "all": lambda session: audit.listed(session, limit=50),
    "a later page": lambda session: audit.listed(session, limit=50, cursor="MTAwMDA"),
    "one person": lambda session: audit.listed(session, limit=50, who="who7"),
    "one action": lambda session: audit.listed(session, limit=50, action="action7"),
    "one thing": lambda session: audit.listed(session, limit=50, target="job:7"),
    "one request": lambda session: audit.listed(session, limit=50, request_id="request7"),
    "a week ago": lambda session: audit.listed(
        session, limit=50, since=PAST, until=PAST + timedelta(hours=1)
    ),
    "a thing's page": lambda session: audit.of_target(session, "job:7", limit=20),
    "old failures": lambda session: login_waits.sweep(session, now=now() - timedelta(days=30)),
    "old forms": lambda session: form_keys.sweep(session, now=now() - timedelta(days=30)),
    "a cookie": lambda session: operator_sessions.find(session, "x", now=now()),
}


@pytest.fixture(scope="module")
def years(database: str) -> None:
    """What many operators did for years."""
    with transaction() as session:
        session.execute(text(FILL))
    with engine().connect() as connection:
        connection.execute(text("ANALYZE audit_entries, login_failures, form_keys"))
        connection.commit()


@pytest.fixture
def plans() -> Iterator[list[str]]:
    """The plan of each statement that is sent meanwhile."""
    found: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            found.append(json.dumps(cursor.fetchone()[0]))

    event.listen(engine(), "before_cursor_execute", explain)
    yield found
    event.remove(engine(), "before_cursor_execute", explain)


@pytest.mark.usefixtures("years")
def test_no_list_reads_a_table_from_end_to_end(plans: list[str]) -> None:
    growing = ("audit_entries", "login_failures", "form_keys")
    for name, read in READS.items():
        plans.clear()
        with transaction() as session:
            read(session)
        assert plans
        whole = [p for p in plans if '"Seq Scan"' in p and any(table in p for table in growing)]
        assert whole == [], (name, whole)
