"""After the storm: wait until everything has come to rest, ask once more, let a day pass."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from chaos import audit
from chaos.audit import Check
from chaos.books import Books
from chaos.client import Client, FailedError
from chaos.crew import Crew
from chaos.customers import Visitor
from chaos.levers import Levers
from db.models import Data, Job, Payment, Review
from db.types import now
from services.data import PENDING_TTL_HOURS
from settings import Settings

QUIET_SECONDS = 120.0
DAY = timedelta(hours=PENDING_TTL_HOURS + 1)
SWEEPS = 5  # each removes 100 files
SWEEP_SECONDS = 15.0
REVIEW_SECONDS = 20.0
DOWNLOADS = 60
PAGE = 1000


def wait_until_quiet(engine: Engine, books: Books) -> list[str]:
    """Until nothing is on its way any more; what still is after QUIET_SECONDS."""
    deadline = time.monotonic() + QUIET_SECONDS
    while (moving := _moving(engine, books)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return moving


def ask_for_rewards(books: Books, client: Client, levers: Levers) -> None:
    """The bonus of a review comes with the question after it has arrived: ask once more."""
    for user_id, person in books.people.items():
        if person.review:
            visitor = Visitor(client, levers, books, Random(0))
            visitor.id, visitor.person = user_id, person
            deadline = time.monotonic() + REVIEW_SECONDS
            with suppress(FailedError):  # counted there, and his balance will tell
                while not visitor.is_praise_found() and time.monotonic() < deadline:
                    time.sleep(0.3)


def balances(books: Books, client: Client) -> Check:
    """What each user can spend, over HTTP, is what his own books say."""
    rules, bought, buyers = Settings(), books.bought(), books.buyers()
    rewards: Counter[str] = Counter()
    for user_id, person in books.people.items():
        if person.inviter_id and user_id in buyers:
            rewards[person.inviter_id] += int(rules.referral_bonus_tokens * 100)
    wrong = []
    for user_id, person in books.people.items():
        expected = bought[user_id] + rewards[user_id]
        expected += int(rules.channel_bonus_tokens * 100) * person.channel
        expected += int(rules.review_bonus_tokens * 100) * person.review
        try:
            expected -= sum(_hundredths(job) for job in _jobs(client, user_id))
            balance = client.call("usersGetBalance", "GET", f"/users/{user_id}/balance").body
        except FailedError as failure:
            wrong.append(f"{user_id}: {failure}")
            continue
        told = round(balance["balanceTokens"] * 100)
        if told != expected:
            wrong.append(f"{user_id}: {told / 100} tokens, his books say {expected / 100}")
    return Check("a balance over HTTP is what its owner's books say", len(books.people), wrong)


def downloads(books: Books, client: Client) -> Check:
    """Results of some done jobs can be fetched by their links."""
    fetched, broken = 0, []
    for job_id in list(books.jobs)[::-1]:
        if fetched == DOWNLOADS:
            break
        try:
            job = client.call("jobsGet", "GET", f"/jobs/{job_id}").body
            if job["status"] == "done":
                fetched += 1
                client.call("download", "GET", job["resultUrl"])
        except FailedError as failure:
            broken.append(f"{job_id}: {failure}")
    return Check("a result can be downloaded", fetched, broken)


def let_a_day_pass(crew: Crew, engine: Engine) -> Check:
    """Everything that was cut off becomes a day older, and a worker starts, which sweeps at once;
    what it leaves."""
    with Session(engine) as session, session.begin():
        aged = now() - DAY
        session.execute(update(Data).where(Data.status == "pending").values(created_at=aged))
    long_ago = aged.timestamp()
    for path in (*(crew.files / "incoming").iterdir(), *crew.work.iterdir()):
        os.utime(path, (long_ago, long_ago))
    for _ in range(SWEEPS):
        worker = crew.workers[-1]
        worker.stop()
        worker.fill()
        deadline = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < deadline:
            with Session(engine) as session:
                check = audit.leftovers(session, crew.files, crew.work)
            if not check.losses:
                return check
            time.sleep(0.3)
    return check


def _moving(engine: Engine, books: Books) -> list[str]:
    with Session(engine) as session:
        live = session.scalars(select(Job.id).where(Job.status.in_(("queued", "processing"))))
        moving = [f"job {job_id}" for job_id in live]
        credited = set(
            map(str, session.scalars(select(Payment.id).where(Payment.paid_at.is_not(None))))
        )
        moving += [f"payment {each}" for each in books.paid if each not in credited]
        wrote = {person.telegram_id for person in books.people.values() if person.review}
        wrote -= set(session.scalars(select(Review.author_telegram_id)))
    return moving + [f"review of {each}" for each in wrote]


def _jobs(client: Client, user_id: str) -> Iterator[dict[str, Any]]:
    path = f"/jobs?userId={user_id}&limit={PAGE}"
    yield from client.call("jobsList", "GET", path).body


def _hundredths(job: dict[str, Any]) -> int:
    """What a job costs its user now."""
    return int(round((job["tokensReserved"] + job["tokensConsumed"]) * 100))
