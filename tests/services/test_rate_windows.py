"""Counts that processes share: each is counted once, whoever counts, and windows end."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest
from sqlalchemy import text

from db import counting, reading, transaction
from services import rate_windows
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("no_rows")


def test_of_many_at_once_each_is_counted() -> None:
    key = uuid4()

    def count() -> int:
        with counting() as connection:
            return rate_windows.count(connection, key, seconds=60).used

    assert Counter(at_once(count, 10)) == Counter(range(1, 11))


def test_a_window_begins_with_the_first_time_and_is_forgotten_when_it_has_ended() -> None:
    key = uuid4()
    with counting() as connection:
        first = rate_windows.count(connection, key, seconds=60)
        second = rate_windows.count(connection, key, seconds=60)
    assert (first.used, second.used, first.ends_in.total_seconds()) == (1, 2, 60)
    assert second.ends_in < first.ends_in
    with transaction() as session:
        session.execute(text("UPDATE rate_windows SET ends_at = now()"))
    with counting() as connection:
        assert rate_windows.count(connection, key, seconds=60) == first
    with transaction() as session:
        assert rate_windows.sweep(session) == 0
        session.execute(text("UPDATE rate_windows SET ends_at = now()"))
        assert rate_windows.sweep(session) == 1


def test_a_count_costs_the_log_nothing() -> None:
    with reading() as reader:
        kind = reader.scalar(
            text("SELECT relpersistence FROM pg_class WHERE relname = 'rate_windows'")
        )
    assert kind == "u"
