"""Behind PgBouncer in transaction mode: each transaction may use another session of PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update

import settings
from db import Reader, reading, snapshot, transaction
from db.connections import SESSION
from db.models import Payment
from db.notifications import LISTENER
from db.types import now
from local.pgbouncer import PROGRAM, Pooler
from local.postgres import throwaway
from local.processes import Child
from tests import databases, provider_world, workers
from tests.live import done, order, refused
from tests.load import PHOTO
from tests.provider_world import PROVIDERS, TOKENS, ProviderWorld
from tests.wire import ROOT, wait_until

SESSIONS = 3  # of PostgreSQL, for all clients together

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs pgbouncer: apt install pgbouncer")


@pytest.fixture(scope="module")
def pooler(postgres: str) -> Iterator[Pooler]:
    """PgBouncer as it is shipped, with few sessions: each is somebody else's next time."""
    with (
        throwaway.state_folder("pooler") as folder,
        Pooler(folder, postgres, default_pool_size=SESSIONS) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def database(pooler: Pooler, postgres: str) -> Iterator[str]:
    """As elsewhere, but migrated by the operator's command, and reached through the pooler."""
    databases.renew(postgres)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", pooler.url)
        patch.setenv("DATABASE_DIRECT_URL", postgres)
        settings.load.cache_clear()
        databases.forget_connections()
        subprocess.run([sys.executable, "cli.py", "migrate"], cwd=ROOT, check=True, timeout=60)
        yield postgres
        databases.forget_connections()
    settings.load.cache_clear()


@pytest.fixture(scope="module")
def till(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderWorld]:
    with provider_world.provider_world(tmp_path_factory.mktemp("till")) as world:
        yield world


@pytest.fixture(scope="module")
def worker(till: ProviderWorld) -> Iterator[Child]:
    with workers.working(till.logs, **till.environ) as running:
        yield running


def of_session(reader: Reader) -> dict[str, str]:
    return {name: reader.scalar(text(f"SHOW {name}")) for name in SESSION}


def test_an_order_is_done_paid_for_and_answered_once(till: ProviderWorld, worker: Child) -> None:
    user, key = till.customer(), uuid4().hex
    photo = done(till.bot.upload(PHOTO), 201)["id"]
    wish = order(user["id"], photo)
    waiting = done(till.bot.post("/jobs", wish, key=key), 201)
    assert waiting["status"] == "waiting_payment"
    till.buy(user, "stripe")
    wait_until(lambda: done(till.bot.get(f"/jobs/{waiting['id']}"), 200)["status"] == "done")
    assert done(till.bot.post("/jobs", wish, key=key), 201) == waiting
    assert till.bot.balance(user["id"]) == TOKENS - 5
    refused(till.bot.post("/jobs", order(str(uuid4()), photo), key=uuid4().hex), "user_not_found")
    assert [job["id"] for job in done(till.bot.get("/jobs", userId=user["id"]), 200)] == [
        waiting["id"]
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_payment_is_credited_and_taken_back(till: ProviderWorld, provider: str) -> None:
    user = till.customer()
    intent = till.buy(user, provider)
    assert till.bot.balance(user["id"]) == TOKENS
    till.dashboard_refund(intent)
    till.wait_for(intent, "refunded")
    assert till.bot.balance(user["id"]) == 0


def test_a_payment_without_a_webhook_is_found_by_a_worker(till: ProviderWorld) -> None:
    user = till.customer()
    till.deliver_webhooks(False)
    try:
        intent = till.intent(user, "yookassa")
        till.pay(user, intent)
        with transaction() as session:
            due = update(Payment).where(Payment.id == UUID(intent["id"]))
            session.execute(due.values(next_check_at=now()))
        with workers.working(till.logs, **till.environ):
            till.wait_for(intent, "succeeded")
    finally:
        till.deliver_webhooks(True)


def test_a_worker_hears_of_an_order_at_once(till: ProviderWorld, worker: Child) -> None:
    """Without a notification it would look every two seconds."""
    user = till.customer()
    till.buy(user, "stripe")
    photo = done(till.bot.upload(PHOTO), 201)["id"]
    with snapshot() as session:
        listening = session.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"),
            {"name": LISTENER},
        )
    assert listening == 1
    job = till.bot.order(user["id"], photo)
    wait_until(lambda: done(till.bot.get(f"/jobs/{job['id']}"), 200)["status"] == "done")


def test_many_at_once_share_the_few_sessions(till: ProviderWorld) -> None:
    users = [till.customer() for _ in range(4)]
    for user in users:
        till.buy(user, "stripe")
    photo, key = done(till.bot.upload(PHOTO), 201)["id"], uuid4().hex
    wishes = [order(user["id"], photo) for user in users]

    def ask(number: int) -> tuple[str, int]:
        wish = wishes[number % len(wishes)]
        assert till.bot.get(f"/users/{wish['userId']}").json()["id"] == wish["userId"]
        job = done(till.bot.post("/jobs", wish, key=f"{key}-{number % 8}"), 201)
        assert job["userId"] == wish["userId"]
        with reading() as reader:
            return job["id"], reader.scalar(text("SELECT pg_backend_pid()"))

    with ThreadPoolExecutor(16) as pool:
        jobs, sessions = zip(*pool.map(ask, range(96)), strict=True)
    assert len(set(jobs)) == 8
    assert 1 < len(set(sessions)) <= SESSIONS
    assert provider_world.books() == {}


def test_the_limits_of_a_session_are_there_behind_the_pooler_and_past_it(database: str) -> None:
    with reading() as reader:
        assert of_session(reader) | {"timezone": "UTC"} == SESSION
    with transaction() as session:
        assert of_session(session) == SESSION
    with snapshot() as session:
        assert of_session(session) == SESSION | {"statement_timeout": "0"}
