"""What is in the outbox reaches the bot at least once and in order, whatever goes wrong."""

from __future__ import annotations

import math
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

import settings
from db import reading, transaction
from db.rows import EventRow
from db.types import now
from local.processes import Child, Program
from providers.event_endpoint import TOTAL_SECONDS, Delivery
from services import events, outbox
from telemetry import metrics
from telemetry.metrics import scrape
from tests import event_receiver
from tests.event_receiver import SECRET, Receiver, receiving
from tests.factories import make_user
from tests.scraping import Scraped
from worker import sender
from worker.duties import DUTIES
from worker.sender import EventSender
from workflows import feed as feeds
from workflows import outbox as sending

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bot(database: str, no_rows: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as bot:
        monkeypatch.setenv("EVENTS_URL", bot.url)
        monkeypatch.setenv("EVENTS_SECRETS", SECRET)
        settings.load.cache_clear()
        yield bot
    settings.load.cache_clear()
    assert bot.unproved == []


@pytest.fixture
def worker(bot: Receiver) -> EventSender:
    return EventSender(sending.endpoint(), random.Random(1))


def tell(user_id: UUID, *marks: int) -> None:
    with transaction() as session:
        for mark in marks:
            events.tell(session, user_id, events.bonus_granted("grant", Decimal(mark)))


def marks(posts: list[dict[str, Any]]) -> list[int]:
    return [post["data"]["bonus"]["tokens"] for post in posts]


def rows() -> list[EventRow]:
    with reading() as reader:
        return outbox.recent(reader, state=None, limit=1000)


def hurry() -> None:
    """Let all that waits be due now, leases included."""
    with transaction() as session:
        session.execute(text("UPDATE events SET next_at = now() WHERE state = 'pending'"))


def send_all(worker: EventSender) -> None:
    while worker.turn() == 0:
        pass


def delivered() -> float:
    labels = {"type": "bonus.granted", "outcome": "delivered"}
    seen = Scraped(scrape.exposition().decode())
    return seen.value("deliveries_total", **labels) or 0


def test_events_arrive_signed_once_and_in_order(bot: Receiver, worker: EventSender) -> None:
    metrics.start(None)
    before = delivered()
    users = [make_user() for _ in range(5)]
    for mark in (1, 2, 3):
        for user in users:
            tell(user.id, mark)
    send_all(worker)

    assert len(bot.posts) == 15 and len(set(bot.ids)) == 15
    assert delivered() == before + 15
    for user in users:
        own = [post for post in bot.posts if post["data"]["user"]["id"] == str(user.id)]
        assert marks(own) == [1, 2, 3]
        assert all(a["data"]["sequence"] < b["data"]["sequence"] for a, b in pairwise(own))
    assert {row.state for row in rows()} == {"delivered"}
    first = bot.posts[0]
    assert first["type"] == first["data"]["type"] == "bonus.granted"
    assert first["timestamp"] == first["data"]["createdAt"]


def test_what_is_rolled_back_is_never_sent(bot: Receiver, worker: EventSender) -> None:
    user = make_user()
    with pytest.raises(ZeroDivisionError), transaction() as session:
        events.tell(session, user.id, events.bonus_granted("grant", Decimal(1)))
        raise ZeroDivisionError
    send_all(worker)
    assert bot.posts == []


def test_a_failure_is_tried_again_later_and_holds_back_only_its_user(
    bot: Receiver, worker: EventSender
) -> None:
    unlucky, other = make_user(), make_user()
    tell(unlucky.id, 1, 2)
    bot.answers = [event_receiver.status(500, b"Oh no")]
    send_all(worker)
    tell(other.id, 3)
    send_all(worker)
    assert marks(bot.posts) == [1, 3]
    failed = next(row for row in rows() if row.sequence == 1 or row.last_status)
    assert (failed.state, failed.attempt, failed.last_status) == ("pending", 1, 500)
    assert failed.last_error == "Oh no"
    assert failed.next_at is not None
    assert timedelta(seconds=2) < failed.next_at - now() < timedelta(seconds=7)

    hurry()
    send_all(worker)
    assert marks(bot.posts) == [1, 3, 1, 2]
    assert bot.ids[0] == bot.ids[2]


def test_retry_after_is_honoured_for_the_event_and_for_the_bot(
    bot: Receiver, worker: EventSender
) -> None:
    tell(make_user().id, 1)
    bot.answers = [event_receiver.status(429, Retry_After="900")]
    assert worker.turn() == 900
    (row,) = rows()
    assert row.next_at is not None and row.next_at - now() > timedelta(seconds=890)


def test_the_last_try_leaves_it_dead_and_the_next_of_its_user_follows(
    bot: Receiver, worker: EventSender, caplog: pytest.LogCaptureFixture
) -> None:
    user = make_user()
    tell(user.id, 1, 2)
    tries = len(outbox.DELAYS) + 1
    bot.answers = [event_receiver.status(500)] * tries
    waits = []
    for _ in range(tries):
        worker.turn()
        waits += [row.next_at - now() for row in rows() if row.next_at and row.attempt]
        hurry()
    assert [row.state for row in rows()] == ["pending", "dead"]
    assert all(a < b for a, b in pairwise(waits)), "ever later"
    assert waits[-1] > timedelta(hours=19) and sum(waits, timedelta()) < timedelta(hours=60)
    assert "event is dead" in caplog.text
    send_all(worker)
    assert marks(bot.posts)[-1] == 2

    with transaction() as session:
        assert outbox.replay_all(session, state="dead", since=None) == 1
    send_all(worker)
    assert marks(bot.posts)[-1] == 1 and bot.ids[-1] == bot.ids[0]
    assert {row.state for row in rows()} == {"delivered"}


def test_gone_means_never_again(bot: Receiver, worker: EventSender) -> None:
    tell(make_user().id, 1)
    bot.answers = [event_receiver.status(410)]
    send_all(worker)
    hurry()
    send_all(worker)
    assert len(bot.posts) == 1
    assert [row.state for row in rows()] == ["dead"]


def test_a_bot_that_is_down_is_probed_with_one_event_instead_of_all(
    bot: Receiver, worker: EventSender
) -> None:
    for mark in range(30):
        tell(make_user().id, mark)
    bot.answers = [event_receiver.reset] * 1000
    assert worker.turn() == sender.PROBE_SECONDS
    assert len(bot.posts) == 30
    hurry()
    for probes in (1, 2, 3):
        assert worker.turn() == sender.PROBE_SECONDS
        assert len(bot.posts) == 30 + probes
        hurry()
    bot.answers.clear()
    send_all(worker)
    assert {row.state for row in rows()} == {"delivered"}


def test_two_senders_never_hold_two_events_of_one_user(bot: Receiver) -> None:
    users = [make_user() for _ in range(3)]
    most = 8
    for mark in range(most):
        for user in users:
            tell(user.id, mark)
    # Every tenth: an event that failed twice in a row would really wait for half a minute.
    bot.answers = [event_receiver.status(204 if place % 10 else 500) for place in range(30)]
    feeds.publish()
    senders = [EventSender(sending.endpoint(), random.Random(n)) for n in range(4)]

    def work(one: EventSender) -> None:
        while any(row.state == "pending" for row in rows()):
            one.turn()
            hurry_what_waits()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, senders))

    assert bot.most_busy == 1
    for user in users:
        own = [post for post in bot.posts if post["data"]["user"]["id"] == str(user.id)]
        got = marks(own)
        assert got == sorted(got), "a repeat follows itself, and nothing overtakes"
        assert set(got) == set(range(most))


def hurry_what_waits() -> None:
    """Let what waits be due now, except what is in the hands of a sender.

    Nor what another thread is at: four that update many rows, each in its own order, would wait for
    one another.
    """
    with transaction() as session:
        session.execute(
            text(
                "UPDATE events SET next_at = now() WHERE id IN (SELECT id FROM events"
                " WHERE state = 'pending' AND next_at < now() + interval '20 seconds'"
                " FOR UPDATE SKIP LOCKED)"
            )
        )


def test_a_sender_that_was_killed_after_it_sent_has_sent_it_once_too_often(
    bot: Receiver, worker: EventSender, tmp_path: Path
) -> None:
    """Killed between the post and its record: again with the same id, nothing lost, in order."""
    user = make_user()
    tell(user.id, 1, 2)

    def never(handler: Any) -> None:
        doomed.kill()

    bot.answers = [never]
    program = Program("sender", ("-c", KILLED), stop_seconds=0)
    doomed = Child(program, environ=os.environ, logs=tmp_path)
    assert doomed.wait(60) == -signal.SIGKILL
    assert [(row.state, row.attempt) for row in rows()] == [("pending", 0), ("pending", 1)]
    send_all(worker)
    assert len(bot.posts) == 1, "its lease still runs"
    hurry()
    send_all(worker)
    assert marks(bot.posts) == [1, 1, 2]
    assert bot.ids[0] == bot.ids[1] != bot.ids[2]


KILLED = """
import random
from worker.sender import EventSender
from workflows import outbox
EventSender(outbox.endpoint(), random.Random(1)).turn()
"""


def test_a_sender_that_comes_back_late_changes_nothing(bot: Receiver) -> None:
    tell(make_user().id, 1)
    feeds.publish()
    with transaction() as session:
        (late,) = outbox.claim(session)
    hurry()
    with transaction() as session:
        (held,) = outbox.claim(session)
    with transaction() as session:
        assert outbox.delivered(session, [late]) == 0
        outbox.failed(
            session, late, status=500, error="", retry_after=None, chance=random.Random(1)
        )
        assert not outbox.give_up(session, late, status=410, error="")
        assert outbox.delivered(session, [held]) == 1


def test_old_events_go_and_those_that_wait_stay(bot: Receiver) -> None:
    for mark in range(4):
        tell(make_user().id, mark)
    with transaction() as session:
        for state, number in (("delivered", 0), ("kept", 1), ("dead", 2)):
            session.execute(
                text(
                    "UPDATE events SET state = :state, next_at = NULL,"
                    " delivered_at = CASE WHEN :state = 'delivered' THEN now() END"
                    " WHERE body->'bonus'->>'tokens' = :mark"
                ),
                {"state": state, "mark": str(number)},
            )
    with transaction() as session:
        assert outbox.sweep(session, now=now() + timedelta(days=29)) == 0
        assert outbox.sweep(session, now=now() + timedelta(days=31)) == 3
    with transaction() as session:
        assert {count.state: count.events for count in outbox.counts(session)} == {"pending": 1}


def test_what_waits_although_nobody_posts_any_more_goes_with_the_other_old_events(
    bot: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EVENTS_URL was there when they were written, and was taken away."""
    tell(make_user().id, 1)
    with transaction() as session:
        session.execute(text("UPDATE events SET next_at = now() - interval '31 days'"))
    tell(make_user().id, 2)
    forget = next(work for name, _, work in DUTIES if name == "delete old events")
    assert (forget(), pending()) == (0, 2)  # as long as they are posted, they wait
    monkeypatch.setenv("EVENTS_URL", "")
    settings.load.cache_clear()
    assert (forget(), pending()) == (1, 1)


def pending() -> int:
    with reading() as reader:
        return outbox.counts(reader)[0].events


def test_a_turn_in_which_every_post_takes_all_its_time_ends_within_its_lease() -> None:
    """Else another sender takes what this one still posts, and the bot gets all of it twice."""
    rounds = math.ceil(outbox.AT_ONCE / sender.THREADS)
    assert timedelta(seconds=rounds * TOTAL_SECONDS) < outbox.LEASE


def test_a_ping_is_a_signed_event_of_no_consequence(bot: Receiver) -> None:
    to = sending.endpoint()
    assert to is not None and sending.ping(to) == Delivery(204)
    assert bot.posts[0]["type"] == "outbox.ping"
    assert rows() == []
