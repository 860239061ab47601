"""The database, the disk and the server itself go away under load and come back.

Whatever happens, the bot hears `503` in time and never `500`, its retries with the same key succeed
without anybody's help, and what was acknowledged is there.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import schema
from db.embedded import EmbeddedPostgres
from db.models import Data, Job, User
from services import catalog, grants, ledger
from tests import live
from tests.live import Bot, Server, done, order, refused

CLIENTS = 6
PHOTO = (Path(__file__).parents[2] / "samples/tiny_portrait_150px.jpg").read_bytes()
PRICE, TOKENS = 5, 100_000
ANSWER_SECONDS = 6  # a wait for a connection and a statement, and a slow machine
RECOVERY_SECONDS = 10
MANY = 20  # orders: enough for each client to have been hit


@dataclass
class World:
    """A database of its own, a server on it, the bot, and a way to look at the rows."""

    postgres: EmbeddedPostgres
    server: Server
    bot: Bot
    engine: Engine
    files: Path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Durable, unlike that of other tests: here it is killed."""
    folder = Path(tempfile.mkdtemp(prefix="livephoto-outages-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        url = postgres.start()
        schema.upgrade(url)
        engine = create_engine(url, poolclass=NullPool)  # no connection outlives an outage
        with Session(engine) as session, session.begin():
            catalog.seed(session)
        environ = {"DATABASE_URL": url, "SERVER_THREADS": str(CLIENTS)}
        with live.serve(folder, state_dir=folder, **environ) as server:
            bot = Bot(server.url)
            with bot.session:
                yield World(postgres, server, bot, engine, folder / "files")
    finally:
        postgres.kill()
        shutil.rmtree(folder)


@dataclass
class Attempt:
    """One request and what came of it; no status when the connection broke."""

    at: float
    seconds: float
    status: int | None
    code: str | None
    retry_after: str | None


class Load:
    """Clients that order without pause and repeat each order until it is acknowledged."""

    def __init__(self, world: World) -> None:
        self.attempts: list[Attempt] = []
        self.orders: dict[str, str] = {}  # Idempotency-Key -> id of the acknowledged job
        self.users = [world.bot.register()["id"] for _ in range(CLIENTS)]
        self._bot = world.bot
        self._stopping = threading.Event()
        with Session(world.engine) as session, session.begin():
            for user_id in self.users:
                grants.grant(session, user_id, TOKENS, key="load", reason="-")
        self._picture = done(world.bot.upload(PHOTO), 201)["id"]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Under load until the end of the block, and until every order is acknowledged."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._buy, user_id) for user_id in self.users]
            try:
                yield
            finally:
                self._stopping.set()
            for client in clients:
                client.result()

    def wait_for(self, orders: int) -> None:
        """Until so many more have been acknowledged."""
        wanted, deadline = len(self.orders) + orders, time.monotonic() + RECOVERY_SECONDS
        while len(self.orders) < wanted:
            assert time.monotonic() < deadline, self.attempts[-CLIENTS:]
            time.sleep(0.02)

    def _buy(self, user_id: str) -> None:
        wish = order(user_id, self._picture)
        while not self._stopping.is_set():
            key, deadline = uuid4().hex, time.monotonic() + 3 * RECOVERY_SECONDS
            while (job := self._attempt(lambda: self._bot.post("/jobs", wish, key=key))) is None:  # noqa: B023
                assert time.monotonic() < deadline, self.attempts[-CLIENTS:]
                time.sleep(0.05)
            self.orders[key] = job["id"]
            self._attempt(lambda: self._bot.get(f"/users/{user_id}/balance"))

    def _attempt(self, send: Callable[[], requests.Response]) -> Any:
        started = time.monotonic()
        try:
            answer = send()
        except requests.ConnectionError:
            self.attempts.append(Attempt(started, time.monotonic() - started, None, None, None))
            return None
        body, retry_after = answer.json(), answer.headers.get("Retry-After")
        code = None if answer.ok else body["code"]
        seconds = time.monotonic() - started
        self.attempts.append(Attempt(started, seconds, answer.status_code, code, retry_after))
        return body if answer.ok else None


def require_everything_kept(world: World, load: Load) -> None:
    """One job and one charge for each acknowledged order, none without, and books that add up."""
    with Session(world.engine) as session, session.begin():
        jobs = session.scalars(select(Job.id).where(Job.user_id.in_(load.users)))
        assert sorted(map(str, jobs)) == sorted(load.orders.values())
        spent = session.scalars(select(User.balance_tokens).where(User.id.in_(load.users)))
        assert sum(TOKENS - balance for balance in spent) == PRICE * len(load.orders)
        assert not any(ledger.violations(session).values())


def kill(postgres: EmbeddedPostgres) -> None:
    """As a power cut."""
    postgres.kill()


def stop(postgres: EmbeddedPostgres) -> None:
    """As its operator does for an update: sessions are ended, transactions rolled back."""
    postgres.stop()


@pytest.mark.parametrize("end", [kill, stop])
def test_without_its_database_the_server_says_so_and_recovers_by_itself(
    world: World, end: Callable[[EmbeddedPostgres], None]
) -> None:
    load, bot = Load(world), world.bot
    with load.running():
        load.wait_for(MANY)
        end(world.postgres)
        time.sleep(0.3)
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
        readiness = bot.get("/health/ready")
        assert readiness.status_code == 503
        assert not readiness.json()["checks"]["database"]["ok"]
        time.sleep(0.5)
        away_until = time.monotonic()
        world.postgres.start()
        load.wait_for(MANY)
    assert bot.get("/health/ready").status_code == 200

    during = [each for each in load.attempts if away_from < each.at < away_until]
    assert len(during) > CLIENTS and {each.status for each in during} == {503}
    for attempt in load.attempts:
        if attempt.status != 503:
            assert attempt.status in (200, 201), attempt
        else:
            assert (attempt.code, attempt.retry_after) == ("service_unavailable", "1")
        assert attempt.seconds < ANSWER_SECONDS, attempt
    require_everything_kept(world, load)


def kill_worker(server: Server) -> None:
    """As the kernel does when memory is short; gunicorn starts another one."""
    (worker,) = server.workers()
    worker.kill()


def kill_all(server: Server) -> None:
    """As a power cut, and then somebody starts it again."""
    server.kill()
    server.start()


@pytest.mark.parametrize("end", [kill_worker, kill_all])
def test_orders_cut_off_with_the_server_are_made_once_by_their_repeats(
    world: World, end: Callable[[Server], None]
) -> None:
    load = Load(world)
    with load.running():
        load.wait_for(MANY)
        end(world.server)
        load.wait_for(MANY)
    assert {each.status for each in load.attempts} == {200, 201, None}
    assert sum(each.status is None for each in load.attempts) >= CLIENTS / 2
    require_everything_kept(world, load)


@contextmanager
def broken(folder: Path) -> Iterator[None]:
    """A folder that cannot be used, not even by root."""
    aside = folder.with_suffix(".aside")
    folder.rename(aside)
    folder.write_text("not a folder")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def test_without_its_disk_the_server_takes_no_files_and_recovers_by_itself(world: World) -> None:
    bot = world.bot
    stored = done(bot.upload(PHOTO), 201)
    form = done(
        bot.post("/data/presign", {"type": "image", "fileName": "a", "contentType": "image/jpeg"}),
        200,
    )
    pending, address = f"/data/{form['dataId']}/confirm", form["uploadUrl"]
    parts = {name: (None, value) for name, value in form["fields"].items()}
    parts["file"] = ("a", PHOTO)

    def confirmed() -> int:
        with Session(world.engine) as session:
            rows = select(func.count()).where(Data.status == "confirmed")
            return session.scalar(rows) or 0

    before = confirmed()
    with broken(world.files / "incoming"):
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
    assert bot.get("/health/ready").status_code == 200
    assert not list((world.files / "incoming").iterdir())
