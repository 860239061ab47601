"""The database, the disk and the server itself go away under load and come back.

Whatever happens, the bot gets `503` in time and never `500`, its retries with the same key succeed
without help, and what was acknowledged is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests
from sqlalchemy import Engine, create_engine, func, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db.models import Data, Job, User
from db.types import now
from lab.chaos.faults import broken
from local.database import prepare
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from tests import live
from tests.live import Bot, Server, done, order, refused
from tests.load import CLIENTS, PHOTO, PRICE, RECOVERY_SECONDS, TOKENS, Load
from tests.wire import wait_until
from tests.workers import start_worker

ANSWER_SECONDS = 10  # the waits for a place in the pool, a connection and a statement
MANY = 20  # orders: enough for each client to have been affected


@dataclass
class World:
    """A separate database, a server on it, the bot, and an engine to read the rows."""

    postgres: EmbeddedPostgres
    url: str
    server: Server
    bot: Bot
    engine: Engine
    files: Path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """With a durable database, unlike other tests: here it is killed."""
    with throwaway.state_folder("outages") as folder, ExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        url = postgres.start()
        stack.callback(postgres.kill)
        prepare(url)
        engine = create_engine(url, poolclass=NullPool)  # none outlives an outage
        with live.serve(folder, state_dir=folder, DATABASE_URL=url) as server:
            bot = Bot(server.url)
            with bot:
                yield World(postgres, url, server, bot, engine, folder / "files")


def kill(postgres: EmbeddedPostgres) -> None:
    """Kill it, as a power cut does."""
    backends = psutil.Process(postgres.pid).children(recursive=True)
    postgres.kill()
    psutil.wait_procs(backends)  # each works on until it sees that its parent has ended


def stop(postgres: EmbeddedPostgres) -> None:
    """Stop it as an operator does: sessions end, transactions roll back."""
    postgres.stop()


@pytest.mark.parametrize("end", [kill, stop])
def test_without_its_database_the_server_says_so_and_recovers_by_itself(
    world: World, end: Callable[[EmbeddedPostgres], None]
) -> None:
    load, bot = Load(world.bot, world.engine), world.bot
    with load.running():
        load.wait_for(MANY)
        end(world.postgres)
        away_from = time.monotonic()
        for answer in (
            bot.get(f"/users/{load.users[0]}"),
            bot.post("/users/register-or-login", {"telegramId": "1"}),
            bot.post(
                "/data/presign", {"type": "text", "fileName": "a", "contentType": "text/plain"}
            ),
            bot.upload(PHOTO),
            bot.get("/tariffs"),
        ):
            refused(answer, "service_unavailable")
            assert answer.headers["Retry-After"] == "1"
        assert bot.get("/health/live").status_code == 200
        wait_until(lambda: bot.get("/health/ready").status_code == 503)  # cached for a second
        readiness = bot.get("/health/ready")
        assert readiness.status_code == 503
        assert not readiness.json()["checks"]["database"]["ok"]
        wait_until(lambda: len([e for e in load.attempts if e.at > away_from]) > 2 * CLIENTS)
        away_until = time.monotonic()
        world.postgres.start()
        load.wait_for(MANY)
    wait_until(lambda: bot.get("/health/ready").ok)

    during = [each for each in load.attempts if away_from < each.at < away_until]
    assert {each.status for each in during} == {503}
    for attempt in load.attempts:
        if attempt.status != 503:
            assert attempt.status in (200, 201), attempt
        else:
            assert (attempt.code, attempt.retry_after) == ("service_unavailable", "1")
        assert attempt.seconds < ANSWER_SECONDS, attempt
    load.require_everything_kept()


def test_without_its_database_the_worker_waits_and_then_does_every_job_once(world: World) -> None:
    park_jobs(world.engine)
    load = Load(world.bot, world.engine)
    with load.running():
        load.wait_for(MANY)
    state_dir = world.files.parent
    environ = {"DATABASE_URL": world.url, "STATE_DIR": str(state_dir)}
    with start_worker(state_dir, **environ) as worker:
        worker.wait_until(lambda: load.done() > 0, RECOVERY_SECONDS)
        world.postgres.kill()
        worker.wait_until(lambda: "WARNING" in worker.said(), RECOVERY_SECONDS)
        world.postgres.start()
        worker.wait_until(lambda: load.done() == len(load.orders), RECOVERY_SECONDS)
    # The server was idle meanwhile: the first request finds its old connection dead.
    wait_until(lambda: world.bot.get("/health/ready").ok)
    load.require_everything_kept()


def park_jobs(engine: Engine) -> None:
    """Postpone jobs left by other tests."""
    parked = update(Job).where(Job.status == "queued").values(run_at=now().replace(year=2099))
    with Session(engine) as session, session.begin():
        session.execute(parked)


def test_a_lock_that_is_held_too_long_is_not_waited_for(world: World) -> None:
    load, bot = Load(world.bot, world.engine), world.bot
    key, wish = uuid4().hex, order(load.users[0], load.picture)
    with Session(world.engine) as session:
        held = select(User).where(User.id == load.users[0]).with_for_update()
        session.execute(held)
        with ThreadPoolExecutor(1) as client:
            waiting = client.submit(bot.post, "/jobs", wish, key=key)
            assert bot.balance(load.users[0]) == TOKENS
            bot.order(load.users[1], load.picture)
    refused(waiting.result(), "service_unavailable")
    assert waiting.result().headers["Retry-After"] == "1"
    assert waiting.result().elapsed.total_seconds() < ANSWER_SECONDS
    done(bot.post("/jobs", wish, key=key), 201)
    assert bot.balance(load.users[0]) == TOKENS - PRICE


def kill_worker(server: Server) -> None:
    """Kill a process as the kernel does when out of memory; gunicorn starts another one."""
    (worker,) = server.workers()
    worker.kill()


def kill_all(server: Server) -> None:
    """Kill the server, as a power cut does, and start it again."""
    server.kill()
    server.start()


@pytest.mark.parametrize("end", [kill_worker, kill_all])
def test_orders_cut_off_with_the_server_are_made_once_by_their_repeats(
    world: World, end: Callable[[Server], None]
) -> None:
    load = Load(world.bot, world.engine)
    with load.running():
        load.wait_for(MANY)
        end(world.server)
        load.wait_for(MANY)
    assert {each.status for each in load.attempts} == {200, 201, None}
    load.require_everything_kept()


def test_a_queue_that_cannot_be_looked_at_does_not_make_the_server_unready(world: World) -> None:
    def ready() -> requests.Response:
        return world.bot.get("/health/ready")

    wait_until(lambda: ready().ok)
    with world.engine.begin() as connection:
        connection.execute(text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
        wait_until(lambda: not ready().json()["checks"]["queue"]["ok"])
        assert ready().status_code == 200


def test_without_its_disk_the_server_takes_no_files_and_recovers_by_itself(world: World) -> None:
    bot = world.bot
    stored = done(bot.upload(PHOTO), 201)
    form = done(
        bot.post("/data/presign", {"type": "image", "fileName": "a", "contentType": "image/jpeg"}),
        200,
    )
    pending, address = f"/data/{form['dataId']}/confirm", form["uploadUrl"]
    parts: dict[str, Any] = {name: (None, text) for name, text in form["fields"].items()}
    parts["file"] = ("a", PHOTO)

    def confirmed() -> int:
        with Session(world.engine) as session:
            rows = select(func.count()).where(Data.status == "confirmed")
            return session.scalar(rows) or 0

    before = confirmed()
    with broken(world.files / "incoming"):
        wait_until(lambda: bot.get("/health/ready").status_code == 503)  # cached for a second
        for answer in (bot.upload(PHOTO), requests.post(address, files=parts, timeout=30)):
            refused(answer, "storage_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        refused(bot.post(pending), "upload_missing")
        assert requests.get(stored["publicS3Url"], timeout=30).content == PHOTO
        readiness = bot.get("/health/ready")
        assert readiness.status_code == 503 and not readiness.json()["checks"]["storage"]["ok"]
    assert confirmed() == before

    assert requests.post(address, files=parts, timeout=30).status_code == 204
    with broken(world.files / "objects"):
        for answer in (
            bot.upload(PHOTO),
            bot.post(pending),
            requests.get(stored["publicS3Url"], timeout=30),
        ):
            refused(answer, "storage_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
    assert confirmed() == before

    done(bot.post(pending), 200)
    done(bot.upload(PHOTO), 201)
    assert requests.get(stored["publicS3Url"], timeout=30).content == PHOTO
    assert confirmed() == before + 2
    wait_until(lambda: bot.get("/health/ready").ok)
    assert not list((world.files / "incoming").iterdir())
