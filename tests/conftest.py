"""Shared fixtures: settings of a test run, and a real PostgreSQL built by the migrations."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

STATE_DIR = Path(tempfile.mkdtemp(prefix="livephoto-test-"))
API_KEY = "test-key-of-the-bot-0123456789abcdef"
os.environ.update(
    {
        "ENVIRONMENT": "test",
        "STATE_DIR": str(STATE_DIR),
        "SERVER_API_KEY": f"{API_KEY},second-key-for-rotation-0123456789",
        "SERVER_URL": "http://127.0.0.1:8999/api",
        # Tests do in a second what people do in a day; tests/web/test_limits.py tests limits.
        "RATE_LIMIT_PER_USER": "0",
    }
)

import pytest  # noqa: E402 - the settings above must come before anything that reads them

import settings  # noqa: E402
from db import schema, session, transaction  # noqa: E402
from local.postgres.embedded import EmbeddedPostgres  # noqa: E402
from services import catalog  # noqa: E402
from tests import wire  # noqa: E402

# These tests do not need durability; those that do start a server of their own.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def pytest_unconfigure() -> None:
    """Leave no database behind: each is fifty megabytes or more."""
    shutil.rmtree(STATE_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the test run."""
    STATE_DIR.chmod(0o755)
    with EmbeddedPostgres(STATE_DIR / "postgres", extra_config=FAST) as url:
        yield url


@pytest.fixture(scope="session")
def database(postgres: str) -> Iterator[str]:
    """The migrated and seeded database of this run; db.transaction() uses it."""
    os.environ["DATABASE_URL"] = postgres
    settings.load.cache_clear()
    session.connections.cache_clear()
    schema.upgrade(postgres)
    with transaction() as opened:
        catalog.seed(opened)
    yield postgres
    session.engine().dispose()


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
