"""What `make bench-scale` shows with a million users, here with no other users."""

from __future__ import annotations

from pathlib import Path
from random import Random

from db.connections import engine
from lab.bench.scale import load_test
from settings.databases import plain
from tests.provider_world import books


def test_two_servers_and_four_workers_lose_nothing_and_do_nothing_twice(
    database: str, tmp_path: Path, chance: Random
) -> None:
    outcome = load_test.run(engine(), plain(database), tmp_path, seconds=4, chance=chance)
    assert outcome.wrong == []
    assert books() == {}
    # Otherwise it would prove nothing.
    assert min(outcome.orders, outcome.repeated, outcome.cancelled, outcome.payments) > 0
    assert outcome.done > 0
