"""No statement of an operation, a worker or an operator reads a growing table from end to end.

On ten thousand users with a year of history, as `make bench-scale` generates them. One of them has
made a tenth of all orders: their lists, too, must come in the order of an index.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import settings
from db import snapshot
from lab.bench.scale import calls, meter, plans, worlds
from lab.bench.scale.calls import Call, Context
from lab.bench.scale.meter import Probe
from services import ledger

CALLS = calls.READS | calls.WRITES | calls.WORKERS | calls.OPERATORS | calls.BOUNDED


@pytest.fixture(scope="module")
def probe(database: str) -> Iterator[Probe]:
    """A filled database beside that of this run, to which all calls go."""
    world = worlds.fill(database, {"plans": 1}, report=lambda line: None)["plans"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_TTL_HOURS", str(calls.TTL_HOURS))
        settings.load.cache_clear()
        probe = Probe(world)
        with meter.use_engine(probe.engine):
            yield probe
        probe.close()
    settings.load.cache_clear()


@pytest.fixture(scope="module")
def context(probe: Probe) -> Context:
    return calls.prepare(probe.world)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_reads_more_of_a_table_than_it_gives(
    name: str, context: Context, probe: Probe
) -> None:
    assert plans.of_call(CALLS[name], context, probe.engine) == []


def test_the_figures_of_a_day_read_no_table_from_end_to_end(context: Context, probe: Probe) -> None:
    found = plans.of_call(calls.GROW["keep the figures of a day"], context, probe.engine)
    assert [fault for fault in found if "reads all" in fault] == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM jobs WHERE meta ? 'x'",
        "SELECT * FROM jobs WHERE status = 'failed' AND progress = 1 ORDER BY number LIMIT 1",
        "SELECT * FROM transactions WHERE user_id = '{regular}' ORDER BY created_at",
        "UPDATE data SET size_bytes = 1 WHERE content_type = 'none'",
    ],
)
def test_a_plan_that_would_grow_slow_is_found(
    statement: str, context: Context, probe: Probe
) -> None:
    bad = Call(lambda c: _send(probe, statement.format(regular=c.regular)))
    assert plans.of_call(bad, context, probe.engine)


def test_the_books_of_the_filled_world_are_whole(probe: Probe) -> None:
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


def _send(probe: Probe, statement: str) -> None:
    with probe.engine.connect() as connection:
        connection.exec_driver_sql(statement)
