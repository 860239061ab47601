"""The only synchronous standby is away, or has taken the place of a primary that lives on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import requests

from db.failures import UNCERTAIN
from tests import pairs, standby, workers
from tests.live import Bot, Server, done, refused
from tests.pairs import Pair
from tests.wire import wait_until

AT_ONCE = 12  # more writes than there are places for them
MANY = 40
IN_TIME_SECONDS = 30  # documented are 7, for a machine that does nothing else
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
FORM = {"type": "text", "fileName": "a.txt", "contentType": "text/plain"}


@dataclass
class World:
    """A server of one process on a pair of databases."""

    pair: Pair
    folder: Path
    bot: Bot

    def register(self) -> requests.Response:
        return self.bot.post("/users/register-or-login", {"telegramId": uuid4().hex})

    def ready(self) -> requests.Response:
        return self.bot.get("/health/ready")


@pytest.fixture(scope="module")
def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with pairs.running() as pair, serving(folder, pair) as server, Bot(server.url) as bot:
        yield World(pair, folder, bot)


@contextmanager
def serving(folder: Path, pair: Pair) -> Iterator[Server]:
    """A server that says at most one thing at level ERROR, and that once."""
    server = Server(folder, state_dir=folder, DATABASE_URL=pair.url)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    said = [line["message"].partition(":")[0] for line in server.errors()]
    assert said in ([], ["several servers take writes, fence the old ones"])


def test_a_frozen_server_holds_nobody_for_long(world: World) -> None:
    user = done(world.register(), 200)

    def read(_: int) -> tuple[requests.Response, float]:
        started = time.monotonic()
        return world.bot.get(f"/users/{user['id']}"), time.monotonic() - started

    processes = psutil.Process(world.pair.primary.pid)
    frozen = [processes, *processes.children(recursive=True)]
    for each in frozen:
        each.suspend()
    with ThreadPoolExecutor(MANY) as people:
        outcomes = list(people.map(read, range(MANY)))
    print(f"{MANY} reads were refused after up to {max(took for _, took in outcomes):.1f} s")
    for answer, took in outcomes:
        refused(answer, "service_unavailable")
        assert took < IN_TIME_SECONDS
    for each in frozen:
        each.resume()
    wait_until(lambda: world.bot.get(f"/users/{user['id']}").ok)


def test_without_its_standby_reads_are_answered_and_writes_refused_in_time(world: World) -> None:
    bot, pair = world.bot, world.pair
    user = done(world.register(), 200)
    reads = [
        *(f"/users/{user['id']}", f"/users/{user['id']}/balance", "/tariffs", "/models"),
        *(f"/jobs?userId={user['id']}", "/lotteries/history", "/config"),
        f"/transactions?userId={user['id']}",
    ]

    def write(number: int) -> tuple[requests.Response, float]:
        started = time.monotonic()
        answer = world.register() if number else bot.post("/data/presign", FORM, key="uncertain")
        return answer, time.monotonic() - started

    with workers.working(
        world.folder, DATABASE_URL=pair.url, STATE_DIR=str(world.folder)
    ) as worker:
        pair.copy.kill()
        with ThreadPoolExecutor(AT_ONCE) as people:
            writing = [people.submit(write, 0)]
            wait_until(lambda: standby.sql(pair.primary_url, WAITING) > 0)
            writing += [people.submit(write, number) for number in range(1, AT_ONCE)]
            meanwhile = 0
            while not any(each.done() for each in writing):
                done(bot.get(reads[meanwhile % len(reads)]), 200)
                meanwhile += 1
        outcomes = [each.result() for each in writing]
        print(f"{meanwhile} reads until the first 503, {max(took for _, took in outcomes):.1f} s")
        for answer, took in outcomes:
            refused(answer, "service_unavailable")
            assert took < IN_TIME_SECONDS
        assert outcomes[0][0].json()["message"] == UNCERTAIN

        # From now on they are refused before they begin, and leave no session behind.
        for _ in range(AT_ONCE):
            answer = world.register()
            refused(answer, "service_unavailable")
            assert answer.json()["message"] == "Nothing can be written now"
            assert answer.headers["Retry-After"] == "5"
        assert 0 < standby.sql(pair.primary_url, WAITING) < AT_ONCE + 8  # some are the worker's
        for path in reads:
            done(bot.get(path), 200)
        checks = done(world.ready(), 200)["checks"]
        assert not checks["commits"]["ok"]
        assert "nothing can be written" in checks["commits"]["detail"]
        assert worker.stop() and worker.exit_code() == 0

    pair.copy.start()
    back = time.monotonic()
    wait_until(lambda: world.register().ok)
    print(f"written again {time.monotonic() - back:.2f} s after the standby's start")
    wait_until(lambda: done(world.ready(), 200)["checks"]["commits"]["ok"])
    wait_until(lambda: standby.sql(pair.primary_url, WAITING) == 0)
    # What was uncertain is kept, and found by its key.
    form = done(bot.post("/data/presign", FORM, key="uncertain"), 200)
    assert standby.sql(pair.primary_url, "SELECT count(*) FROM data") == 1
    assert done(bot.post("/data/presign", FORM, key="uncertain"), 200) == form


def test_an_old_primary_that_lives_on_is_left_and_not_served_from(
    world: World, tmp_path: Path
) -> None:
    bot, pair = world.bot, world.pair
    standby.sql(pair.primary_url, "ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.sql(pair.primary_url, "SELECT pg_reload_conf()")
    standby.sql(pair.copy_url, "SELECT pg_promote()")

    def written_to_the_new_one(bot: Bot) -> bool:
        user = bot.register()["id"]
        found = f"SELECT count(*) FROM users WHERE id = '{user}'"
        return bool(standby.sql(pair.copy_url, found) == 1)

    # A new server knows at once, although the old primary is first in its list.
    with serving(tmp_path, pair) as new, Bot(new.url) as newcomer:
        assert written_to_the_new_one(newcomer)
    wait_until(lambda: written_to_the_new_one(bot))
    assert all(written_to_the_new_one(bot) for _ in range(8))

    user = bot.register()["id"]
    pair.copy.kill()
    wait_until(lambda: "detail" in world.ready().json()["checks"]["database"])
    assert world.ready().status_code == 503
    detail = world.ready().json()["checks"]["database"]["detail"]
    assert detail == "an old primary answers: timeline 1, when 2 has been seen"
    refused(bot.get(f"/users/{user}"), "service_unavailable")
    refused(world.register(), "service_unavailable")
