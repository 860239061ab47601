"""One world for the tests of a module: each has people or messages of its own to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bot_calls import forget_updates, say
from tests.telegram_world import World, telegram_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with telegram_world() as opened:
        say(opened, "/start")
        yield opened


@pytest.fixture(autouse=True)
def _nothing_pending(world: World) -> None:
    forget_updates(world)
