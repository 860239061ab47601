"""Any sequence of a provider's answers: an order is sent once, a job ends once, books are whole.

The steps are ours, the tables are real; the provider is drawn by hypothesis.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, update

from db import snapshot, transaction
from db.models import Engine, GenerationAttempt, Job, Transaction
from lab.chaos.quick_worker import QuickEngine
from providers import registry
from providers.engine.remote import (
    Absent,
    Accepted,
    Ambiguous,
    Canceled,
    Charged,
    Downloaded,
    Failed,
    Gone,
    Health,
    Money,
    NotAccepted,
    NotSent,
    Pace,
    Problem,
    Queued,
    RemoteFile,
    Running,
    Succeeded,
    Trouble,
    Unanswered,
    Unclear,
    Uploaded,
)
from services import attempts, jobs, ledger
from services import models as rules_of_models
from services.attempts import QUICK_STATES, SLOW_STATES
from tests import databases, engine_world
from tests.engine_world import attempts_of, offer, stored_photo
from tests.factories import balance, make_job, make_user
from workflows import dispatch, generation
from workflows.steps import Step

PRICE = 25
KLING, FAL = "kling-2.5-replicate", "kling-2.5-fal"
LEASE = timedelta(seconds=30)
LIVE = ("queued", "processing")
_ids = count(1)

DOWN = Problem(Trouble.INFRASTRUCTURE, "HTTP 503")
PAID = Money(Decimal("0.35"), "USD")
UPLOADS = [Uploaded("photo")] * 4 + [NotSent(DOWN)]
CREATES = ["accepted"] * 3 + [
    "accepted, answer lost",
    "accepted, then 503",
    "died before it was sent",
    Ambiguous(DOWN),
    NotSent(DOWN),
    NotAccepted(Problem(Trouble.BUSY, "429", retry_after=1)),
    NotAccepted(Problem(Trouble.CREDIT, "402")),
    NotAccepted(Problem(Trouble.CONFIG, "404")),
    NotAccepted(Problem(Trouble.INPUT, "422")),
]
POLLS = [
    Queued(1),
    Running(50),
    Running(None),
    Unanswered(DOWN),
    Succeeded(RemoteFile("there"), PAID),
    Succeeded(RemoteFile("there"), None),
    Failed(DOWN, Charged.NO),
    Failed(Problem(Trouble.REFUSAL, "E005"), Charged.MAYBE),
    Failed(Problem(Trouble.NO_RESULT, "mute"), Charged.YES, PAID),
    Canceled(Charged.MAYBE),
    Gone(DOWN),
]
FETCHES = ["file", "file", Unanswered(DOWN), Failed(Problem(Trouble.NO_RESULT, "404"), Charged.YES)]
FINDS = ["what is there", "what is there", Unclear(DOWN)]


class Killed(BaseException):
    """The worker dies here, as by kill -9."""


@dataclass
class ScriptedProvider:
    """A provider whose next answers are drawn; it remembers what it has accepted."""

    name: str
    draw: st.DataObject
    pace: Pace = Pace(find_seconds=(0.0, 0.0))
    finds_by_mark: bool = True
    sent: Counter[UUID] = field(default_factory=Counter)
    accepted: dict[UUID, str] = field(default_factory=dict)

    def upload(self, attempt_id, photo):
        return self.draw.draw(st.sampled_from(UPLOADS))

    def create(self, order, photo):
        self.sent[order.attempt_id] += 1
        outcome = self.draw.draw(st.sampled_from(CREATES))
        if outcome == "died before it was sent":
            raise Killed
        if not isinstance(outcome, str):
            return outcome
        run_id = f"run-{next(_ids)}"
        self.accepted[order.attempt_id] = run_id
        if outcome == "accepted, answer lost":
            raise Killed
        return Ambiguous(DOWN) if outcome == "accepted, then 503" else Accepted(run_id)

    def find(self, order, *, sent_at, known_ids):
        if self.draw.draw(st.sampled_from(FINDS)) != "what is there":
            return Unclear(DOWN, ("run-x",))
        run_id = self.accepted.get(order.attempt_id)
        return Accepted(run_id) if run_id else Absent()

    def poll(self, run):
        assert run.external_id in self.accepted.values()
        return self.draw.draw(st.sampled_from(POLLS))

    def cancel(self, run):
        return None

    def fetch(self, run, file, target: Path):
        outcome = self.draw.draw(st.sampled_from(FETCHES))
        if outcome != "file":
            return outcome
        target.write_bytes(b"video")
        return Downloaded("video/mp4", 5)

    def health(self):
        return Health()


@pytest.fixture
def _connected(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "engine", lambda name: QuickEngine())
    monkeypatch.setattr(rules_of_models, "is_connected", lambda engine: engine != "polza")


def let_time_pass() -> None:
    """Everything that waits is due: polls, leases, breakers, retries."""
    with transaction() as session:
        session.execute(
            update(GenerationAttempt)
            .where(GenerationAttempt.ended_at.is_(None))
            .values(due_at=func.now())
        )
        session.execute(update(Job).where(Job.status == "queued").values(run_at=func.now()))
        session.execute(
            update(Engine).where(Engine.open_until.is_not(None)).values(open_until=func.now())
        )


def turn(worker: str) -> None:
    dispatch.order_due(Random(1))
    with transaction() as session:
        due = attempts.claim_due(
            session, worker, states=QUICK_STATES + SLOW_STATES, lease=LEASE, limit=10
        )
    for attempt in due:
        with TemporaryDirectory() as folder:
            try:
                generation.advance(attempt, Step(Path(folder), Random(1)))
            except Killed:
                continue


@pytest.mark.usefixtures("_connected")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_a_provider_answers_nothing_is_ordered_or_paid_twice(database, monkeypatch, data):
    databases.empty(database)
    engine_world.reset_engines()
    chosen = offer(KLING, FAL)[KLING]
    providers = {name: ScriptedProvider(name, data) for name in ("replicate", "fal")}
    monkeypatch.setattr(registry, "remote_engine", providers.__getitem__)
    photos = data.draw(st.sampled_from([1, 1, 2]))
    user = make_user(PRICE * photos)
    job = make_job(user.id, "animate", photos=photos, data_id=stored_photo().id, model_id=chosen)
    for number in range(60 * photos):
        turn(f"worker {number % 2}")
        let_time_pass()
        made = attempts_of(job.id)
        assert sum(each.ended_at is None for each in made) <= 1
        with transaction() as session:
            live = jobs.get(session, job.id).status in LIVE
        if not live and not any(each.ended_at is None for each in made):
            break
    _check(job.id, user.id, providers, photos)


def _check(job_id, user_id, providers, photos) -> None:
    made = attempts_of(job_id)
    sent: Counter[UUID] = sum((each.sent for each in providers.values()), Counter())
    assert set(sent) <= {each.id for each in made} and set(sent.values()) <= {1}
    paid = Counter(each.input_index for each in made if each.ended_at and each.charged != "no")
    assert max(paid.values(), default=0) <= 2
    for provider in providers.values():
        for attempt_id, run_id in provider.accepted.items():
            attempt = next(each for each in made if each.id == attempt_id)
            assert attempt.external_id in (run_id, None)
            if attempt.ended_at and attempt.external_id is None:
                assert attempt.charged == "maybe"  # an operator is told to look
    with snapshot() as session:
        job = jobs.get(session, job_id)
        moves = Counter(
            session.execute(
                Transaction.__table__.select()
                .with_only_columns(Transaction.type)
                .where(Transaction.job_id == job_id)
            ).scalars()
        )
        assert not any(ledger.violations(session).values())
    delivered = Counter(each.input_index for each in made if each.state == "done")
    assert set(delivered.values()) <= {1}
    missing = 0 if job.status in LIVE else photos - len(delivered)
    assert moves["charge"] == 1 and moves["refund"] == bool(missing)
    assert balance(user_id) == PRICE * missing
    assert job.status in (*LIVE, "done" if delivered else "failed")
    if job.status == "done":
        made_ones = [place for place, each in enumerate(job.output) if "dataId" in each]
        assert made_ones == sorted(delivered)
