"""The real application on the database of this run, for stories told by the bot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import settings
from tests import growth_world, live, provider_world
from tests.growth_world import Growth
from tests.live import Bot, Server
from tests.provider_world import ProviderWorld

CHANNEL = "@live_photo"
REVIEW_CHAT = -1001234567890
NOWHERE = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture(scope="module")
def server(live_server: Server) -> Server:
    """The server of this process, with the settings of a test run."""
    return live_server


@pytest.fixture(scope="module")
def bot(server: Server) -> Iterator[Bot]:
    """The bot, talking to `server`."""
    with Bot(server.url) as client:
        yield client


@pytest.fixture(scope="session")
def _other_server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, state_dir = tmp_path_factory.mktemp("other"), settings.load().state_dir
    environ = {
        "REQUIRE_CONSENT": "true",
        "CONSENT_VERSION": "2026-11",
        "BONUS_CHANNELS": CHANNEL,
        "REVIEW_CHAT": str(REVIEW_CHAT),
        "TELEGRAM_BOT_TOKEN": "1:nobody",
        "TELEGRAM_API_URL": NOWHERE,
        "TELEGRAM_BOT_USERNAME": "live_photo_bot",
    }
    with live.serve(folder, state_dir=state_dir, **environ) as running:
        yield running


@pytest.fixture(scope="module")
def other_bot(database: str, _other_server: Server) -> Iterator[Bot]:
    """The bot, talking to another process on the same database and files.

    That server requires consent, pays bonuses, and cannot reach Telegram.
    """
    _other_server.reconnect()
    with Bot(_other_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def _growth(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growth]:
    folder, state_dir = tmp_path_factory.mktemp("growth"), settings.load().state_dir
    with growth_world.growth_world(folder, state_dir=state_dir) as running:
        yield running


@pytest.fixture(scope="module")
def growth_server(database: str, _growth: Growth) -> Growth:
    """A server connected to the simulated Telegram."""
    _growth.server.reconnect()
    return _growth


@pytest.fixture
def growth(growth_server: Growth) -> Growth:
    """The same, without faults at first."""
    growth_world.reset(growth_server.world)
    return growth_server


@pytest.fixture(scope="session")
def _open_till(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderWorld]:
    with provider_world.provider_world(tmp_path_factory.mktemp("till")) as running:
        yield running


@pytest.fixture(scope="module")
def open_till(database: str, _open_till: ProviderWorld) -> ProviderWorld:
    """A server that accepts payments by all three providers and requires consent."""
    _open_till.server.reconnect()
    return _open_till


@pytest.fixture
def till(open_till: ProviderWorld) -> Iterator[ProviderWorld]:
    """The same without faults; whatever a test did, the books must be consistent after it."""
    yield open_till
    for provider in provider_world.PROVIDERS:
        open_till.sandbox.clear_faults(provider)
    open_till.deliver_webhooks(True)
    assert provider_world.books() == {}
