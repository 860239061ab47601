"""The real application on the database of this run, for the bot's stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import settings
from tests import live
from tests.live import Bot, Server

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
