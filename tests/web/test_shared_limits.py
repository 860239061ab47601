"""Rate limits that several hosts count together in the database, and what is without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

import settings
from tests import wire
from tests.stubs import create
from tests.threads import at_once
from tests.wire import Answer, Server, wait_until
from web import rate_limits

LIMIT, STUBS = 12, "tests.stubs:create()"
PROCESSES = 2


@pytest.fixture(scope="module")
def hosts(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers of two processes each; nothing but the database joins them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                wire.serve(
                    STUBS,
                    tmp_path_factory.mktemp("host"),
                    RATE_LIMIT_STORE="database",
                    RATE_LIMIT_PER_USER=str(LIMIT),
                    WEB_CONCURRENCY=str(PROCESSES),
                )
            )
            for _ in range(2)
        ]


def balance(server: Server, user_id: str) -> Answer:
    return server.get(f"/api/v1/users/{user_id}/balance")


def left(answer: Answer) -> int:
    return int(answer.headers["RateLimit-Remaining"])


def test_two_hosts_of_two_processes_take_exactly_as_many_as_one(hosts: list[Server]) -> None:
    asking = str(uuid4())
    turns = iter(hosts * (2 * LIMIT))
    answers: list[Answer] = at_once(lambda: balance(next(turns), asking), 4 * LIMIT)
    assert Counter(each.status for each in answers) == {200: LIMIT, 429: 3 * LIMIT}
    taken = sorted(left(each) for each in answers if each.status == 200)
    assert taken == list(range(LIMIT))
    refused = next(each for each in answers if each.status == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert balance(hosts[0], str(uuid4())).status == 200


def test_a_host_goes_on_where_the_other_one_has_stopped(hosts: list[Server]) -> None:
    asking = str(uuid4())
    seen = [left(balance(hosts[number % 2], asking)) for number in range(LIMIT)]
    assert seen == list(reversed(range(LIMIT)))
    assert {balance(host, asking).status for host in hosts} == {429}


def test_without_the_database_each_process_counts_for_itself(tmp_path: Path) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"}
    limits = {"RATE_LIMIT_STORE": "database", "RATE_LIMIT_PER_USER": str(LIMIT)}
    with wire.serve(STUBS, tmp_path, **limits, **nowhere) as alone:
        asking = str(uuid4())
        statuses = [balance(alone, asking).status for _ in range(LIMIT + 2)]
        assert statuses == [200] * LIMIT + [429] * 2
        wait_until(lambda: "each process counts alone" in alone.log.read_text("utf-8"))
        # It asks again after some seconds, not for each request.
        assert alone.log.read_text("utf-8").count("each process counts alone") <= 2


def test_production_is_told_how_often_a_limit_of_processes_may_be_exceeded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chosen = settings.Settings(web_concurrency=4, rate_limit_per_user=300)
    said = rate_limits.warning(chosen)
    assert said is not None
    for part in ("RATE_LIMIT_PER_USER=300", "4 server processes", "RATE_LIMIT_STORE=database"):
        assert part in said
    assert rate_limits.warning(settings.Settings(rate_limit_store="database")) is None
    assert rate_limits.warning(settings.Settings(rate_limit_per_user=0)) is None
    create()
    assert "RATE_LIMIT_STORE" not in caplog.text  # not outside production
