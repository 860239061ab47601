"""What a sender asks reads as little beside many delivered events as beside none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from db import transaction
from db.connections import engine
from db.types import now
from services import feed, outbox
from tests.factories import make_user

DELIVERED, PENDING, HELD_BACK = 20_000, 500, 1_500
FILL = """
INSERT INTO events (id, sequence, type, user_id, telegram_id, balance_tokens, body, state,
                    next_at, delivered_at)
SELECT gen_random_uuid(), nextval('events_sequence'), 'bonus.granted', id, telegram_id, 0,
       '{"text": "t", "bonus": {"reason": "grant", "tokens": 1}}', :state,
       CASE WHEN :state = 'pending' THEN now() + :late * interval '1 hour' END,
       CASE WHEN :state = 'delivered' THEN now() END
FROM users, generate_series(1, :each)
"""


@pytest.fixture(scope="module")
def crowd(database: str) -> None:
    """Twenty users, one of whom has events waiting behind one that is tried again in an hour."""
    for _ in range(20):
        make_user()
    with transaction() as session:
        for state, each, late in (
            ("delivered", DELIVERED // 20, 0),
            ("pending", HELD_BACK // 20, 1),
            ("pending", PENDING // 20, 0),
        ):
            session.execute(text(FILL), {"state": state, "each": each, "late": late})
    with engine().connect() as connection:
        connection.execute(text("ANALYZE events"))
        connection.commit()


@pytest.fixture
def plans() -> Iterator[list[dict[str, Any]]]:
    """The plan of each statement that is sent meanwhile, as it was run."""
    found: list[dict[str, Any]] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        if "events" in statement and not statement.startswith("EXPLAIN"):
            cursor.execute("SAVEPOINT explained")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            found.append(cursor.fetchone()[0][0]["Plan"])
            cursor.execute("ROLLBACK TO SAVEPOINT explained")

    event.listen(engine(), "before_cursor_execute", explain)
    yield found
    event.remove(engine(), "before_cursor_execute", explain)


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    "call",
    [
        lambda session: outbox.claim(session),
        lambda session: outbox.sweep(session, now=now()),
        lambda session: outbox.sweep_unposted(session, now=now()),
        lambda session: outbox.find(session, outbox.recent(session, state=None, limit=1)[0].id),
        lambda session: outbox.recent(session, state="dead", limit=20),
        lambda session: outbox.recent(session, state="pending", limit=20),
        lambda session: outbox.listed(session, limit=50),
        lambda session: outbox.listed(session, limit=50, state="dead"),
        lambda session: outbox.listed(session, limit=50, state="pending"),
        lambda session: _second_page(session),
        lambda session: outbox.delivered(session, outbox.claim(session)),
        lambda session: feed.publish(session),
        lambda session: feed.newest(session),
        lambda session: feed.is_behind(session),
        lambda session: feed.after(session, DELIVERED // 2, limit=100),
    ],
)
def test_no_statement_reads_what_was_delivered(
    call: Callable[[Any], Any], plans: list[dict[str, Any]]
) -> None:
    with pytest.raises(ZeroDivisionError), transaction() as session:
        call(session)
        raise ZeroDivisionError
    assert plans
    for plan in plans:
        assert most_rows(plan) <= 2 * PENDING, plan


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that any step of a plan read in all."""
    read = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
    below = [most_rows(each) for each in plan.get("Plans", ())]
    return max([read * plan.get("Actual Loops", 1), *below])


def _second_page(session: Any) -> None:
    first = outbox.listed(session, limit=50)
    second = outbox.listed(session, limit=50, cursor=first.next_cursor)
    assert len({row.id for row in [*first.rows, *second.rows]}) == 100
