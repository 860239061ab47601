"""After the faults: wait until everything has settled, check rewards once more, let a day pass."""

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

from db.models import Data, GenerationAttempt, Job, Payment, Review
from db.types import now
from lab.chaos import audit
from lab.chaos.audit import Check
from lab.chaos.books import Books
from lab.chaos.client import Client, FailedError
from lab.chaos.customers import Visitor
from lab.chaos.sandbox_control import SandboxControl
from lab.chaos.system import System
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
    """Wait until nothing is in progress any more; what still is after QUIET_SECONDS."""
    deadline = time.monotonic() + QUIET_SECONDS
    while (in_progress := _in_progress(engine, books)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return in_progress


def check_reviews(books: Books, client: Client, control: SandboxControl) -> None:
    """Check each review once more: its bonus is granted by the first check after it has arrived."""
    for user_id, person in books.people.items():
        if person.review:
            visitor = Visitor(client, control, books, Random(0))
            visitor.id, visitor.person = user_id, person
            deadline = time.monotonic() + REVIEW_SECONDS
            with suppress(FailedError):  # already counted, and the balance will show it
                while not visitor.is_review_found() and time.monotonic() < deadline:
                    time.sleep(0.3)


def balances(books: Books, client: Client) -> Check:
    """Each user's balance over HTTP is what their own books say."""
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
        actual = round(balance["balanceTokens"] * 100)
        if actual != expected:
            wrong.append(f"{user_id}: {actual / 100} tokens, their books say {expected / 100}")
    return Check("a balance over HTTP is what its owner's books say", len(books.people), wrong)


def downloads(books: Books, client: Client) -> Check:
    """Results of some done jobs can be downloaded."""
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


def let_a_day_pass(system: System, engine: Engine) -> Check:
    """Age everything that was cut off by a day, and start a worker, which sweeps at once; checks
    what it leaves."""
    with Session(engine) as session, session.begin():
        aged = now() - DAY
        session.execute(update(Data).where(Data.status == "pending").values(created_at=aged))
    long_ago = aged.timestamp()
    for path in (*(system.files / "incoming").iterdir(), *system.work.iterdir()):
        os.utime(path, (long_ago, long_ago))
    for _ in range(SWEEPS):
        worker = system.workers[-1]
        worker.stop()
        worker.restart()
        deadline = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < deadline:
            with Session(engine) as session:
                check = audit.leftovers(session, system.files, system.work)
            if not check.losses:
                return check
            time.sleep(0.3)
    return check


def _in_progress(engine: Engine, books: Books) -> list[str]:
    with Session(engine) as session:
        live = session.scalars(select(Job.id).where(Job.status.in_(("queued", "processing"))))
        in_progress = [f"job {job_id}" for job_id in live]
        credited = set(
            map(str, session.scalars(select(Payment.id).where(Payment.paid_at.is_not(None))))
        )
        in_progress += [f"payment {each}" for each in books.paid if each not in credited]
        reviewers = {person.telegram_id for person in books.people.values() if person.review}
        reviewers -= set(session.scalars(select(Review.author_telegram_id)))
        still_open = GenerationAttempt.ended_at.is_(None)
        in_progress += [
            f"attempt {each.id} is {each.state}"
            for each in session.scalars(select(GenerationAttempt).where(still_open))
        ]
    return in_progress + [f"review of {each}" for each in reviewers]


def _jobs(client: Client, user_id: str) -> Iterator[dict[str, Any]]:
    path = f"/jobs?userId={user_id}&limit={PAGE}"
    yield from client.call("jobsList", "GET", path).body


def _hundredths(job: dict[str, Any]) -> int:
    """What a job costs its user now, in hundredths of tokens."""
    return int(round((job["tokensReserved"] + job["tokensConsumed"]) * 100))
