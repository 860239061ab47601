"""The real application on the database of this run, for the bot's stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import settings
from tests import growth_world, live
from tests import till as tills
from tests.growth_world import Growth
from tests.live import Bot, Server
from tests.till import Till

CHANNEL = "@live_photo"
REVIEW_CHAT = -1001234567890
NOWHERE = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture(scope="session")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the settings of a test run; it keeps files where this process finds them."""
    folder, state_dir = tmp_path_factory.mktemp("server"), settings.load().state_dir
    with live.serve(folder, state_dir=state_dir) as running:
        yield running


@pytest.fixture(scope="session")
def bot(server: Server) -> Iterator[Bot]:
    """The bot, talking to `server`."""
    client = Bot(server.url)
    with client.session:
        yield client


@pytest.fixture(scope="session")
def other_bot(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """The bot, talking to another process on the same database and files.

    That one asks for consent, pays bonuses, and finds no Telegram where it looks for it.
    """
    folder, state_dir = tmp_path_factory.mktemp("other"), settings.load().state_dir
    environ = {
        "REQUIRE_CONSENT": "true",
        "BONUS_CHANNELS": CHANNEL,
        "REVIEW_CHAT": str(REVIEW_CHAT),
        "TELEGRAM_BOT_TOKEN": "1:nobody",
        "TELEGRAM_API_URL": NOWHERE,
        "TELEGRAM_BOT_USERNAME": "live_photo_bot",
    }
    with live.serve(folder, state_dir=state_dir, **environ) as running:
        client = Bot(running.url)
        with client.session:
            yield client


@pytest.fixture(scope="session")
def _growth(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growth]:
    folder, state_dir = tmp_path_factory.mktemp("growth"), settings.load().state_dir
    with growth_world.growth_world(folder, state_dir=state_dir) as running:
        yield running


@pytest.fixture
def growth(_growth: Growth) -> Growth:
    """A server that finds the Telegram of the sandbox, where all is well at first."""
    growth_world.settle(_growth.world)
    return _growth


@pytest.fixture(scope="session")
def open_till(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    """A server that takes money from all three providers, and asks for consent."""
    with tills.open_till(tmp_path_factory.mktemp("till")) as running:
        yield running


@pytest.fixture
def till(open_till: Till) -> Iterator[Till]:
    """The same, with providers that behave; whatever a story did, the books are whole after it."""
    yield open_till
    for provider in tills.PROVIDERS:
        open_till.sandbox.fair(provider)
    open_till.hear(True)
    assert tills.books() == {}
