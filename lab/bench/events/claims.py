"""What a sender asks of the database, beside a million events that were delivered long ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from sqlalchemy import text

from db import connections, reading, transaction
from lab.bench import world
from lab.bench.page import table
from lab.bench.scale.meter import cpu_ms, use_engine
from services import feed, outbox

BATCH = 100_000
PENDING = 10_000
ROUNDS = 100
PAGE = 100
# Round by round through the users, as events of many come. Without the triggers of foreign keys,
# which would take half of the time.
FILL = """
SET LOCAL statement_timeout = 0;
SET LOCAL session_replication_role = replica;
INSERT INTO events (id, sequence, type, user_id, telegram_id, balance_tokens, body, state, next_at,
                    delivered_at)
SELECT gen_random_uuid(), nextval('events_sequence'), 'bonus.granted', u.id, u.telegram_id, 0,
       '{"text": "Вам подарок.", "bonus": {"reason": "grant", "tokens": 1}}', :state,
       CASE WHEN :state = 'pending' THEN now() END, CASE WHEN :state = 'delivered' THEN now() END
FROM generate_series(1, :rows / :users) round, (SELECT id, telegram_id FROM users LIMIT :users) u
ORDER BY round
"""


@dataclass
class Transaction:
    """The same transaction many times. whole: ms with commit and rows read; database: its CPU."""

    name: str
    work: Callable[[], object]
    whole: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)

    def run(self, process: int) -> None:
        """Once more; process: the id of the database's for this connection."""
        cpu, begun = cpu_ms(process), time.perf_counter()
        self.work()
        self.whole.append((time.perf_counter() - begun) * 1000)
        self.database.append(cpu_ms(process) - cpu)

    def row(self) -> list[str]:
        """Its row of the table."""
        slow = sorted(self.whole)[-len(self.whole) // 20]
        return [
            self.name,
            *(f"{ms:.2f}" for ms in (median(self.database), median(self.whole), slow)),
        ]


def measure(delivered: int) -> str:
    """Claim batch after batch and mark it as delivered; read and look for news between."""
    with use_engine(connections.connect(connections.database_url(), pool_size=1)):
        for _ in range(delivered // BATCH):
            _fill("delivered", BATCH)
        _fill("pending", PENDING)
        with connections.engine().begin() as connection:
            connection.execute(text("ANALYZE events"))
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        measured = (
            Transaction(f"claim {outbox.AT_ONCE}", _claim),
            Transaction("look for news, none", _look),
            Transaction(f"page of {PAGE} for the bot", _page),
        )
        for _ in range(ROUNDS):
            for each in measured:
                each.run(process)
            _deliver()
        connections.engine().dispose()
    head = ["Transaction", "database CPU ms", "whole call ms", "95 % within ms"]
    return (
        f"Beside {delivered:,} delivered events, {PENDING:,} pending ones of {world.USERS} users;"
        f" medians of {ROUNDS}.\n\n{table(head, [each.row() for each in measured])}"
    )


def _fill(state: str, rows: int) -> None:
    with connections.engine().begin() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(
                text(statement),
                {"state": state, "rows": rows, "users": world.USERS}
                if ":rows" in statement
                else {},
            )


def _claim() -> None:
    with transaction() as db:
        outbox.claim(db)


def _deliver() -> None:
    """The claimed ones are delivered, so that the next ones of their users become due."""
    with connections.engine().begin() as connection:
        connection.execute(
            text(
                "UPDATE events SET state = 'delivered', next_at = NULL, delivered_at = now()"
                " WHERE state = 'pending' AND attempt = 1"
            )
        )


def _look() -> None:
    with transaction() as db:
        feed.publish(db)
    with reading() as db:
        feed.newest(db)


def _page() -> None:
    with reading() as db:
        feed.after(db, BATCH, limit=PAGE)
