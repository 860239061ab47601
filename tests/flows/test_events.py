"""The bot reads events: with links, in order, waiting for them, and waits for an order's change."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
import requests

import settings
from db import transaction
from local import ports
from services import queue
from tests import job_steps, live
from tests.factories import make_user
from tests.live import Bot, Server, done, refused
from tests.scraping import scrape
from tests.wire import wait_until

LONG = 25


@pytest.fixture
def bot(live_server: Server, no_rows: None) -> Bot:
    with Bot(live_server.url) as bot:
        yield bot


def test_a_finished_order_is_read_with_a_link_to_its_result(bot: Bot) -> None:
    user = make_user(20)
    job = bot.order(user.id, upload(bot), "animate")
    job_steps.finish_job(job_steps.claim_job(job["id"]))

    bonus, started, ended = events = done(bot.get("/events"), 200)
    assert [each["type"] for each in events] == ["bonus.granted", "job.started", "job.done"]
    assert ended["user"] == {
        "id": str(user.id),
        "telegramId": user.telegram_id,
        "balanceTokens": 10,
    }
    (result,) = ended["results"]
    assert requests.get(result["url"], timeout=10).content == job_steps.VIDEO
    assert done(bot.get("/events", after=started["sequence"]), 200)[0]["id"] == ended["id"]
    assert [each["id"] for each in done(bot.get("/events", limit=1), 200)] == [ended["id"]]
    assert done(bot.get("/events", after=ended["sequence"]), 200) == []
    assert done(bot.get("/events", after=0, limit=1), 200) == [bonus]


def test_who_waits_is_answered_when_something_happens_and_not_before(bot: Bot) -> None:
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(bot.get, "/events", wait=LONG)
        shorter = done(bot.get("/events", wait=1), 200)
        assert shorter == [] and not waits.done()
        began = time.monotonic()
        user = make_user(5)
        (event,) = done(waits.result(), 200)
    assert time.monotonic() - began < LONG / 2
    assert event["user"]["id"] == str(user.id)


def test_an_order_on_the_screen_is_answered_when_it_goes_on(bot: Bot) -> None:
    user = make_user(20)
    path = f"/jobs/{bot.order(user.id, upload(bot), 'animate')['id']}"
    with ThreadPoolExecutor(1) as pool:

        def changed() -> dict[str, object]:
            body: dict[str, object] = done(bot.get(path, wait=LONG), 200)
            return body

        assert done(bot.get(path, wait=1), 200)["status"] == "queued", "nothing has happened"
        waits = pool.submit(changed)
        claim = job_steps.claim_job(path.rpartition("/")[2])
        # Whether the wait began before the claim or after it, what follows ends it.
        with transaction() as session:
            assert queue.renew(session, claim, progress=40)
        assert waits.result()["status"] == "processing"
        job_steps.finish_job(claim)
        assert changed()["status"] == "done", "an ended order is answered at once"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": -1}, "after"),
        ({"after": 2**53}, "after"),
        ({"after": 10**9}, "after"),
        ({"after": "x"}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"wait": 26}, "wait"),
        ({"wait": -1}, "wait"),
        ({"wait": 1.5}, "wait"),
    ],
)
def test_a_faulty_question_is_refused(bot: Bot, query: dict[str, object], field: str) -> None:
    assert field in refused(bot.get("/events", **query), "bad_request")


def test_events_are_for_the_bot_only(live_server: Server) -> None:
    with Bot(live_server.url, key="another key") as stranger:
        refused(stranger.get("/events", wait=1), "unauthorized")


def test_more_may_wait_than_there_are_threads_and_a_stop_answers_them(
    database: str, tmp_path: Path
) -> None:
    """Three hundred wait at one process, which has 8 threads with places for 64 more calls."""
    crowd = 300
    user = make_user(20)
    port = ports.reserve()
    watched = {"METRICS_ADDRESS": f"127.0.0.1:{port}", "METRICS_TOKEN": "token"}
    state_dir = settings.load().state_dir
    with (
        live.serve(tmp_path, state_dir=state_dir, WEB_CONCURRENCY="1", **watched) as server,
        Bot(server.url) as bot,
        ThreadPoolExecutor(crowd) as pool,
    ):
        after = done(bot.get("/events", after=0), 200)[-1]["sequence"]
        job = bot.order(user.id, upload(bot), "animate")
        paths = [("/events", {"after": after}), (f"/jobs/{job['id']}", {})]
        waits = [
            pool.submit(bot.get, path, wait=LONG, **query) for path, query in paths * (crowd // 2)
        ]
        # A client that comes only when the server has stopped listening would be refused.
        wait_until(lambda: scrape(port, "token").value("http_requests_in_progress") == crowd)
        # They hold up nobody.
        for _ in range(20):
            assert done(bot.get(f"/users/{user.id}/balance"), 200)
        assert not any(each.done() for each in waits)
        began = time.monotonic()
        server.ask_to_stop()
        answers = [each.result() for each in waits]
    assert {answer.status_code for answer in answers} == {200}
    assert time.monotonic() - began < LONG


def upload(bot: Bot) -> UUID:
    content = Path("local/samples/portrait.jpg").read_bytes()
    return UUID(done(bot.upload(content), 201)["id"])
