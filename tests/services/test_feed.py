"""Every committed event is read once, however transactions overlap; its sequence never changes."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db import transaction
from errors import ApiError
from services import events, feed, ledger
from tests.factories import make_user
from workflows import feed as feeds

pytestmark = pytest.mark.usefixtures("no_rows")


def tell(session: Any, user_id: UUID, mark: int) -> None:
    events.tell(session, user_id, events.bonus_granted("grant", Decimal(mark)))


def read(after: int | None = None, limit: int = 100) -> list[Any]:
    return feeds.read(after, limit=limit).events


def marks(rows: list[Any]) -> list[int]:
    return [row.body["bonus"]["tokens"] for row in rows]


def test_an_event_that_is_committed_late_is_not_skipped() -> None:
    """The first to write is the last to commit: the lowest number has the highest sequence."""
    users = [make_user() for _ in range(3)]
    with transaction() as late:
        tell(late, users[0].id, 1)
        with transaction() as early:
            tell(early, users[1].id, 2)
        seen = read(0)
        assert marks(seen) == [2]
        with transaction() as early:
            tell(early, users[2].id, 3)
        seen += read(seen[-1].sequence)
        assert marks(seen) == [2, 3]
    seen += read(seen[-1].sequence)

    assert marks(seen) == [2, 3, 1]
    assert marks(read(0)) == [2, 3, 1]
    late_row, first_row = seen[2], seen[0]
    assert late_row.number < first_row.number and late_row.sequence > first_row.sequence


def test_numbers_are_passed_over_alone() -> None:
    """Else what is given meanwhile is taken back, and the next event gets it again."""
    with transaction() as publishing:
        publishing.execute(text(f"SELECT pg_advisory_xact_lock({feed.PUBLISH_LOCK})"))
        with pytest.raises(ApiError), transaction() as session:
            feed.pass_over(session)
    with transaction() as session:
        last = feed.last_sequence(session.connection())
        feed.pass_over(session)
        assert feed.last_sequence(session.connection()) > last + feed.PASSED_OVER - 1


def test_of_many_writers_and_readers_nothing_is_lost_and_each_user_is_told_in_order() -> None:
    users = [make_user() for _ in range(4)]
    most, writers = 12, 6
    seen: list[tuple[UUID, int]] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(most):
            user = chance.choice(users)
            with transaction() as session:
                # The balance counts the events of this user in the order of their commits.
                ledger.lock(session, user.id)
                ledger.post(
                    session,
                    user.id,
                    Decimal(1),
                    type="promo",
                    bonus_key=str(chance.random()),
                    meta={},
                )
                tell(session, user.id, 1)

    def follow() -> None:
        after = 0
        end = time.monotonic() + 30
        while len(seen) < writers * most and time.monotonic() < end:
            for row in read(after, limit=7):
                seen.append((row.user_id, row.balance_tokens))
                after = row.sequence

    with ThreadPoolExecutor(writers + 1) as pool:
        for ended in [pool.submit(follow), *(pool.submit(write, seed) for seed in range(writers))]:
            ended.result()

    assert len(seen) == writers * most
    for user in users:
        balances = [balance for user_id, balance in seen if user_id == user.id]
        assert balances == list(range(1, len(balances) + 1))


def test_only_one_numbers_events_and_the_other_does_not_wait_for_it() -> None:
    user = make_user()
    with transaction() as session:
        tell(session, user.id, 1)
    with transaction() as first:
        assert feed.publish(first) == 1
        with transaction() as second:
            assert feed.publish(second) == 0
    assert feeds.publish() == 0


def test_without_a_cursor_the_bot_goes_on_where_it_has_confirmed() -> None:
    user = make_user()
    with transaction() as session:
        for mark in (1, 2, 3):
            tell(session, user.id, mark)

    assert marks(read(limit=2)) == [1, 2]
    first = read(limit=2)
    assert marks(first) == [1, 2], "reading alone confirms nothing"
    assert marks(read(first[0].sequence)) == [2, 3]
    assert marks(read()) == [2, 3]
    assert marks(read(0)) == [1, 2, 3]
    assert marks(read()) == [2, 3], "reading again takes nothing back"


def test_a_number_that_no_event_has_had_is_refused() -> None:
    user = make_user()
    with transaction() as session:
        tell(session, user.id, 1)
    (row,) = read(0)
    with pytest.raises(ApiError, match="bad_request"):
        read(row.sequence + 1000)
    assert read(row.sequence) == []


def test_events_that_nobody_read_for_long_are_numbered_in_bounded_steps() -> None:
    user = make_user()
    with transaction() as session:
        tell(session, user.id, 1)
        session.execute(
            text(
                "INSERT INTO events (id, type, user_id, telegram_id, balance_tokens, body, state)"
                " SELECT gen_random_uuid(), type, user_id, telegram_id, balance_tokens,"
                f" body, state FROM events, generate_series(1, {feed.AT_ONCE + 100})"
            )
        )

    assert [feeds.publish() for _ in range(3)] == [feed.AT_ONCE, 101, 0]
    sequences = [row.sequence for row in read(0, limit=100)]
    assert sequences == sorted(sequences)
