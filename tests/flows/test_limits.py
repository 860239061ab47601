"""One user's limit on the real server: a refused request has no effect, and may be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import settings
from tests import live
from tests.factories import balance, make_image, make_user
from tests.live import Bot, done, order, refused, unchanged

PER_USER = 4


@pytest.fixture
def limited(database: str, tmp_path: Path) -> Iterator[Bot]:
    """The bot, talking to a server with a limit for each user."""
    state_dir = settings.load().state_dir
    with live.serve(tmp_path, state_dir=state_dir, RATE_LIMIT_PER_USER=str(PER_USER)) as running:
        client = Bot(running.url)
        with client:
            yield client


def test_repeats_with_a_key_count_too_and_a_refused_one_is_not_its_answer(
    limited: Bot, bot: Bot
) -> None:
    user, other, picture = make_user(tokens=50), make_user(), make_image().id
    first = done(limited.post("/jobs", order(user.id, picture), key="once"), 201)
    for _ in range(PER_USER - 1):
        again = limited.post("/jobs", order(user.id, picture), key="once")
        assert done(again, 201) == first
    with unchanged():
        for key in ("once", "twice"):
            answer = limited.post("/jobs", order(user.id, picture), key=key)
            refused(answer, "rate_limited")
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        refused(limited.get(f"/users/{user.id}"), "rate_limited")
    done(limited.get(f"/users/{other.id}"), 200)
    assert "RateLimit-Remaining" in limited.get(f"/users/{uuid4()}").headers

    # After the window, or at another process: the answers that these keys deserve.
    assert done(bot.post("/jobs", order(user.id, picture), key="once"), 201) == first
    assert done(bot.post("/jobs", order(user.id, picture), key="twice"), 201) != first
    assert balance(user.id) == 40
