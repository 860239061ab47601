"""Shared fixtures: settings of a test run, and a real PostgreSQL built by the migrations."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

STATE_DIR = Path(tempfile.mkdtemp(prefix="livephoto-test-"))
API_KEY = "test-key-of-the-bot-0123456789abcdef"
os.environ.update(
    {
        "ENVIRONMENT": "test",
        "STATE_DIR": str(STATE_DIR),
        "SERVER_API_KEY": f"{API_KEY},second-key-for-rotation-0123456789",
        "SERVER_URL": "http://127.0.0.1:8999/api",
        "ERASURE_KEY": "erasure-key-of-the-tests-0123456789abcdef",
        # Tests do in a second what people do in a day; tests/web/test_limits.py tests limits.
        "RATE_LIMIT_PER_USER": "0",
    }
)

import pytest  # noqa: E402 - the settings above must come before anything that reads them

import settings  # noqa: E402
from local.pgbouncer import Pooler  # noqa: E402
from local.postgres import throwaway  # noqa: E402
from local.postgres.embedded import EmbeddedPostgres  # noqa: E402
from tests import databases, forks, live, wire  # noqa: E402
from tests.live import Server  # noqa: E402

TESTS = Path(__file__).parent
# Files of ten seconds and more, and what waits rather than works beside what works.
LONGEST = (
    "flows/test_engines.py",
    "docs/test_readme.py",
    "local/test_demo.py",
    "lab/chaos/test_chaos.py",
    "lab/test_upgrade.py",
    "providers/engine/test_supervision.py",
    "db/test_plans.py",
    "bot/test_bot.py",
    "providers/engine/test_restore.py",
    "flows/test_log_secrets.py",
    "flows/test_albums.py",
    "services/test_attempt_machine.py",
    "flows/test_cli_growth.py",
    "local/test_stack.py",
    "providers/engine/test_animate.py",
    "flows/test_engine_crowd.py",
    "flows/test_failover.py",
    "flows/test_engine_crashes.py",
    "flows/test_crowd.py",
    "docs/test_typed_commands.py",
    "services/test_money_machine.py",
    "flows/test_upload_corpus.py",
    "console/test_stories.py",
    "console/test_business_stories.py",
    "flows/test_webhook_forgeries.py",
    "flows/test_outages.py",
    "flows/test_growth.py",
    "services/test_referrals.py",
    "db/test_migrations.py",
    "providers/storage/test_s3.py",
    "workflows/test_outbox.py",
    "flows/test_provider_faults.py",
    "local/test_chat_page.py",
    "local/test_postgres.py",
    "flows/test_statements.py",
    "flows/test_payment_commands.py",
    "flows/test_worker.py",
    "flows/test_payment_crashes.py",
    "contract/test_fuzz.py",
)


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would all that the tests start and stop."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection() -> None:
    """What is imported stays: to look for garbage in it takes a quarter of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From now on garbage is collected among what the tests make themselves."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pooler` puts PgBouncer between the programs and the database of the test run."""
    parser.addoption("--pooler", action="store_true", help="reach the database by PgBouncer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: else one test process would end alone with one of them.

    With --pooler those are left out that look at a session of PostgreSQL as their own.
    """
    for item in items:
        if item.get_closest_marker("own_session") and item.config.getoption("pooler"):
            item.add_marker(pytest.mark.skip(reason="a pooler gives each transaction another one"))
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def pytest_unconfigure() -> None:
    """Leave no process and no database behind: each is fifty megabytes or more."""
    forks.close()
    throwaway.remove(STATE_DIR / "postgres")
    shutil.rmtree(STATE_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a database on a server that lives as long as the test run, with a template beside it.

    Whatever this process and its children do not set otherwise, goes there; with --pooler by way of
    PgBouncer, past which this URL leads.
    """
    STATE_DIR.chmod(0o755)
    sockets = STATE_DIR / "sockets"  # for what is not on our loopback
    sockets.mkdir()
    sockets.chmod(0o777)
    # Tests of durability start a server of their own.
    config = throwaway.NOT_DURABLE | {"unix_socket_directories": str(sockets)}
    with EmbeddedPostgres(STATE_DIR / "postgres", extra_config=config) as url, ExitStack() as stack:
        os.environ["DATABASE_URL"] = url
        settings.load.cache_clear()
        databases.make_template(url)
        if request.config.getoption("pooler"):
            databases.limit_all(url)
            pooler = stack.enter_context(Pooler(STATE_DIR / "pooler", url))
            os.environ.update(DATABASE_URL=pooler.url, DATABASE_DIRECT_URL=url)
            settings.load.cache_clear()
        yield url


@pytest.fixture(scope="module")
def database(postgres: str) -> str:
    """URL of the migrated and seeded database of this module, new and without anybody's rows.

    db.transaction() uses it, and so does each server that is started; those that stay up from
    module to module lose their connections, see live.Server.reconnect().
    """
    databases.renew(postgres)
    return postgres


@pytest.fixture
def no_rows(database: str) -> None:
    """Nobody's rows are left, for a test that must not meet those of the tests before it."""
    databases.empty(database)


@pytest.fixture(scope="session")
def _live_server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, state_dir = tmp_path_factory.mktemp("server"), settings.load().state_dir
    with live.serve(folder, state_dir=state_dir) as running:
        yield running


@pytest.fixture(scope="module")
def live_server(database: str, _live_server: Server) -> Server:
    """A server with the settings of a test run; it keeps files where this process finds them."""
    _live_server.reconnect()
    return _live_server


@pytest.fixture(scope="session")
def storing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    """A server with stub handlers that stores files itself."""
    folder = tmp_path_factory.mktemp("storing")
    with wire.serve("tests.stubs:create()", folder, S3_BUCKET="") as running:
        yield running


@pytest.fixture
def chance() -> random.Random:
    """A random generator with a new seed in each run; a failure shows it, TEST_SEED repeats it."""
    seed = int(os.environ.get("TEST_SEED") or random.randrange(10**6))
    print(f"TEST_SEED={seed}")
    return random.Random(seed)
