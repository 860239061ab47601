"""What `make failover` breaks and looks for: a real loss is planted in a pair, then found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from lab.chaos.books import Books
from lab.failover import rows
from lab.failover.pair import Pair, pair
from local import machines
from local.postgres import throwaway


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder where the database may run as another user."""
    with throwaway.state_folder("failover") as made:
        yield made
        for name in ("node-1", "node-2"):
            throwaway.remove(made / name)


def _register(database: Pair) -> str:
    """A user who was told so; the address of both servers finds the one that takes writes."""
    user_id = str(uuid4())
    connection = psycopg2.connect(database.url, connect_timeout=2)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users VALUES (%s)", [user_id])
    connection.close()
    return user_id


def test_a_pair_changes_places_and_what_only_the_dead_server_had_is_found_to_be_lost(
    folder: Path,
) -> None:
    with pair(folder) as database:
        for table in ("users", "payments", "jobs", "data"):
            database.primary.sql(f"CREATE TABLE {table} (id uuid PRIMARY KEY)")
        first, second = database.nodes
        kept = {_register(database)}

        database.primary.kill()
        database.promote()
        kept.add(_register(database))
        database.rejoin()
        assert (database.primary, database.standby) == (second, first)

        if machines.missing() is None:
            second.machine.unplug()
            with pytest.raises(psycopg2.OperationalError):
                second.sql("SELECT 1")
            second.machine.plug_in()

        second.wait_for_nobody()
        for sender in second.processes("walsender"):
            sender.suspend()
        planted = _register(database)
        second.kill()
        database.promote()

        promised = rows.promised(Books(), {*kept, planted})
        check = rows.acknowledged(first.url(), promised)
        assert (check.looked_at, check.losses) == (3, [f"users {planted}"])
        lost = rows.missing(first.url(), promised)
        second.start()  # its disk is whole
        nowhere = rows.missing(second.url(), lost)
    sentence = rows.sentence(promised, lost, nowhere, paid=set())
    assert sentence.startswith("lost: 1 of 3 users, 0 of 0 payments")
    assert sentence.endswith("1 of these 1 rows are on the old primary's disk")
