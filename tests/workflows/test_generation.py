"""Steps of attempts at odd moments: wrong clocks, suspended workers, keys that are taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import func, select, update

from db import snapshot, transaction
from db.models import Engine, GenerationAttempt, GenerationModel, Job
from db.types import now
from errors import ApiError
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
    Money,
    Pace,
    Problem,
    Queued,
    RemoteFile,
    Succeeded,
    Trouble,
    Uploaded,
)
from services import attempts, data, engines, jobs, ledger
from services import models as rules_of_models
from services.attempts import QUICK_STATES, SLOW_STATES
from tests import engine_world
from tests.engine_world import attempts_of, offer, stored_photo
from tests.factories import balance, make_job, make_user
from tests.threads import at_once
from workflows import dispatch, generation, remote_orders
from workflows.steps import Step

PRICE = 25
KLING, FAL, POLZA = "kling-2.5-replicate", "kling-2.5-fal", "kling-2.5-polza"
LEASE = timedelta(seconds=30)
DOWN = Problem(Trouble.INFRASTRUCTURE, "HTTP 503")


@dataclass
class Provider:
    """A provider that does as it is told, and remembers what it was asked."""

    created: Callable[[], object] = lambda: Accepted("run-1")
    found: object = Absent()
    polled: object = Queued()
    pace: Pace = Pace()
    finds_by_mark: bool = True
    orders: int = 0
    sent_at: list[datetime] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def upload(self, attempt_id, photo):
        return Uploaded("photo")

    def create(self, order, photo):
        self.orders += 1
        return self.created()

    def find(self, order, *, sent_at, known_ids):
        self.sent_at.append(sent_at)
        return self.found

    def poll(self, run):
        return self.polled

    def cancel(self, run):
        self.cancelled.append(run.external_id)

    def fetch(self, run, file, target):
        target.write_bytes(b"video")
        return Downloaded("video/mp4", 5)


@pytest.fixture
def connected(no_rows: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of engines with a key; a test may change it."""
    engine_world.reset_engines()
    names = {"embedded", "replicate", "fal", "polza"}
    monkeypatch.setattr(registry, "engine", lambda name: QuickEngine())
    monkeypatch.setattr(rules_of_models, "is_connected", lambda engine: engine in names)
    yield names
    offer()
    with snapshot() as session:
        assert not any(ledger.violations(session).values())


@pytest.fixture
def provider(connected: set[str], monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider()
    monkeypatch.setattr(registry, "remote_engine", lambda name: made)
    return made


def ordered(model: str = KLING, *others: str):
    """A paid job for one model, with others on offer."""
    chosen = offer(model, *others)[model]
    user = make_user(PRICE)
    return user, make_job(user.id, "animate", data_id=stored_photo().id, model_id=chosen)


def claim(worker: str = "worker"):
    """What is due."""
    with transaction() as session:
        return attempts.claim_due(
            session, worker, states=QUICK_STATES + SLOW_STATES, lease=LEASE, limit=10
        )


def advance(clock: Callable[[], datetime] = now) -> int:
    """The steps that are due; returns how many."""
    due = claim()
    for attempt in due:
        with TemporaryDirectory() as folder:
            generation.advance(attempt, Step(Path(folder), Random(1), clock=clock))
    return len(due)


def pass_time(**columns: object) -> None:
    """Change what open attempts say about time."""
    with transaction() as session:
        session.execute(
            update(GenerationAttempt)
            .where(GenerationAttempt.ended_at.is_(None))
            .values(due_at=func.now(), **columns)
        )


def job_of(job_id):
    with transaction() as session:
        return jobs.get(session, job_id)


def all_at_once(*calls: Callable[[], object]) -> None:
    """Different calls that start together; none may raise."""
    turns = iter(calls)
    outcomes = at_once(lambda: next(turns)(), len(calls))
    assert not [each for each in outcomes if isinstance(each, Exception)]


@pytest.mark.parametrize("wrong", [timedelta(days=1), timedelta(days=-1)])
def test_a_worker_whose_clock_is_wrong_neither_ends_a_job_nor_believes_a_list_too_early(
    provider, wrong
):
    _, job = ordered()
    provider.created = lambda: Ambiguous(DOWN)

    def clock():
        return now() + wrong

    dispatch.order_due(Random(1))
    assert advance(clock) == 1 and provider.orders == 1
    (attempt,) = attempts_of(job.id)
    assert timedelta(seconds=20) < attempt.due_at - now() < timedelta(seconds=40)
    pass_time()
    advance(clock)
    (attempt,) = attempts_of(job.id)
    assert (attempt.state, attempt.looks) == ("unknown", 1)
    assert attempt.due_at - now() > timedelta(seconds=100)
    # Adapters compare the lists' clock with that of this machine.
    assert abs(provider.sent_at[0] - clock()) < timedelta(seconds=20)
    assert job_of(job.id).status == "processing"


def test_a_worker_that_was_suspended_before_the_create_does_not_send_it(provider, monkeypatch):
    monkeypatch.setattr(remote_orders, "SENT_WITHIN_SECONDS", -1.0)
    _, job = ordered()
    dispatch.order_due(Random(1))
    advance()
    assert provider.orders == 0
    assert [each.state for each in attempts_of(job.id)] == ["creating"]


def test_an_order_that_is_accepted_after_it_was_given_up_is_cancelled_at_once(provider):
    user, job = ordered()

    def given_up_meanwhile():
        with transaction() as session:
            jobs.fail(session, job.id, reason="Так получилось")
            session.execute(
                update(GenerationAttempt).values(state="canceled", due_at=None, ended_at=func.now())
            )
        return Accepted("run-late")

    provider.created = given_up_meanwhile
    dispatch.order_due(Random(1))
    advance()
    assert provider.cancelled == ["run-late"]
    assert balance(user.id) == PRICE


def test_an_order_that_another_worker_has_found_is_not_cancelled(provider):
    _, job = ordered()

    def found_meanwhile():
        with transaction() as session:
            attempts.accept(
                session, attempts_of(job.id)[0].id, external_id="run-1", after=timedelta(0)
            )
        return Accepted("run-1")

    provider.created = found_meanwhile
    dispatch.order_due(Random(1))
    advance()
    assert provider.cancelled == []
    assert [each.state for each in attempts_of(job.id)] == ["running"]


def test_jobs_of_an_engine_without_a_key_go_to_another_or_wait_and_are_given_up(
    provider, connected
):
    first_user, waiting = ordered(KLING)
    connected.remove("replicate")
    assert dispatch.order_due(Random(1)) == 0
    assert (job_of(waiting.id).status, attempts_of(waiting.id)) == ("queued", [])
    with transaction() as session:
        session.get_one(Job, waiting.id).run_at = now() - timedelta(days=1)
    assert dispatch.give_up_waiting() == 1
    assert job_of(waiting.id).meta["error"]["code"] == "engine_unavailable"
    assert balance(first_user.id) == PRICE
    connected.add("replicate")
    _, moved = ordered(KLING, FAL)
    connected.remove("replicate")
    dispatch.order_due(Random(1))
    dispatch.order_due(Random(1))
    assert [each.engine for each in attempts_of(moved.id)] == ["fal"]


def test_an_attempt_that_was_given_back_is_not_held_any_more(provider):
    _, job = ordered()
    dispatch.order_due(Random(1))
    advance()
    pass_time()
    (attempt,) = claim()
    with transaction() as session:
        attempts.observe(session, attempt, after=timedelta(hours=1))
        attempts.hold(session, "worker", [attempt.id], lease=LEASE)
    assert attempts_of(job.id)[0].due_at - now() > timedelta(minutes=50)


def test_a_lost_order_is_no_twin_of_one_that_was_sent_at_another_time(provider):
    _, job = ordered(POLZA)
    provider.created = lambda: Ambiguous(DOWN)
    dispatch.order_due(Random(1))
    advance()
    pass_time(sent_at=now() - timedelta(minutes=11))
    (lost,) = claim()
    ordered(POLZA)
    dispatch.order_due(Random(1))
    advance()
    with transaction() as session:
        assert not attempts.has_lost_twin(session, lost)
        session.execute(update(GenerationAttempt).values(sent_at=lost.sent_at))
    with transaction() as session:
        assert attempts.has_lost_twin(session, lost)


def test_a_lost_order_does_not_block_the_trial_of_its_engine(provider):
    ordered()
    provider.created = lambda: Ambiguous(DOWN)
    dispatch.order_due(Random(1))
    advance()
    with transaction() as session:
        engine = session.get_one(Engine, "replicate")
        engine.trips, engine.open_until, engine.open_code = 1, now(), "failures"
    with transaction() as session:
        assert engines.room(session, "replicate", now=now()).orders == 1
    ordered()
    dispatch.order_due(Random(1))
    with transaction() as session:
        assert engines.room(session, "replicate", now=now()).orders == 0


def test_another_daily_limit_opens_the_engine_that_the_old_one_had_closed(provider):
    with transaction() as session:
        engines.change(session, "replicate", daily_cost=Decimal(0))
    _, job = ordered()
    dispatch.order_due(Random(1))
    dispatch.order_due(Random(1))
    assert attempts_of(job.id) == []
    with transaction() as session:
        engines.change(session, "replicate", daily_cost=None)
    dispatch.order_due(Random(1))
    assert len(attempts_of(job.id)) == 1


def _with_foreign_models(job_id):
    """Attempts that were sent to an engine with the recipe of another engine's model."""
    with transaction() as session:
        return session.scalars(
            select(GenerationAttempt.id)
            .join(GenerationModel, GenerationModel.id == GenerationAttempt.model_id)
            .where(
                GenerationAttempt.job_id == job_id,
                GenerationAttempt.engine != GenerationModel.engine,
            )
        ).all()


def test_an_album_is_made_photo_by_photo_each_by_the_model_that_was_ordered(provider):
    """Of three photos the first needs a stand-in, the second is refused, the third is made."""
    chosen = offer(KLING, FAL)[KLING]
    user = make_user(PRICE * 3)
    job = make_job(user.id, "animate", photos=3, data_id=stored_photo().id, model_id=chosen)
    broken = Failed(Problem(Trouble.NO_RESULT, "mute"), Charged.YES, None)
    refused = Failed(Problem(Trouble.REFUSAL, "E005"), Charged.NO, None)
    made = Succeeded(RemoteFile("there"), Money(Decimal("0.35"), "USD"))
    provider.created = lambda: Accepted(f"run-{provider.orders}")
    for polled in (broken, made, refused, refused, made):
        provider.polled = polled
        dispatch.order_due(Random(1))
        for _ in range(3):
            pass_time()
            advance()
        with transaction() as session:
            session.execute(update(Job).where(Job.status == "queued").values(run_at=func.now()))
    ended = job_of(job.id)
    tries = sorted(attempts_of(job.id), key=lambda each: (each.input_index, each.number))
    assert [(each.input_index, each.engine, each.state) for each in tries] == [
        (0, "replicate", "failed"),
        (0, "fal", "done"),
        (1, "replicate", "refused"),
        (1, "fal", "refused"),
        (2, "replicate", "done"),
    ]
    assert _with_foreign_models(job.id) == []
    assert (ended.status, ended.model_id, ended.tokens_consumed) == ("done", chosen, PRICE * 2)
    first, second, third = ended.output
    assert (first["meta"]["model"], third["meta"]["model"]) == (FAL, KLING)
    assert second["meta"]["error"]["code"] == "content_rejected" and "dataId" not in second
    assert balance(user.id) == PRICE and "orderedModelId" not in ended.meta


def test_an_album_that_waited_so_long_that_a_result_was_swept_ends_and_returns_its_price(provider):
    chosen = offer(KLING)[KLING]
    user = make_user(PRICE * 2)
    job = make_job(user.id, "animate", photos=2, data_id=stored_photo().id, model_id=chosen)
    provider.created = lambda: Accepted(f"run-{provider.orders}")
    provider.polled = Succeeded(RemoteFile("there"), None)
    for place in range(2):
        dispatch.order_due(Random(1))
        for _ in range(3):
            pass_time()
            advance()
        if place == 0:
            with transaction() as session:
                data.expire(session, now=now() + timedelta(hours=data.PENDING_TTL_HOURS + 1))
    ended = job_of(job.id)
    assert (ended.status, ended.tokens_consumed, balance(user.id)) == ("done", PRICE, PRICE)
    first, second = ended.output
    assert first["meta"]["error"]["code"] == "result_gone" and "dataId" in second


def test_what_is_left_of_an_album_that_no_engine_takes_is_given_back(provider):
    chosen = offer(KLING)[KLING]
    user = make_user(PRICE * 3)
    job = make_job(user.id, "animate", photos=3, data_id=stored_photo().id, model_id=chosen)
    provider.polled = Succeeded(RemoteFile("there"), None)
    dispatch.order_due(Random(1))
    for _ in range(3):
        pass_time()
        advance()
    assert 0 < job_of(job.id).progress < 100
    with transaction() as session:
        session.get_one(Job, job.id).run_at = now() - timedelta(days=1)
    assert dispatch.give_up_waiting() == 1
    ended = job_of(job.id)
    assert (ended.status, balance(user.id)) == ("done", PRICE * 2)
    assert ["dataId" in each for each in ended.output] == [True, False, False]


@pytest.mark.parametrize("cost", ["-1", "1e30", "1000001"])
def test_a_cost_that_can_be_no_bill_is_not_believed(provider, cost):
    _, job = ordered()
    dispatch.order_due(Random(1))
    advance()
    pass_time()
    provider.polled = Succeeded(RemoteFile("there"), Money(Decimal(cost), "USD"))
    (attempt,) = claim()
    with TemporaryDirectory() as folder:
        generation.advance(attempt, Step(Path(folder), Random(1)))
    (attempt,) = attempts_of(job.id)
    assert (attempt.state, attempt.cost_actual) == ("fetching", None)
    assert attempt.charged == Charged.YES


def test_a_customer_s_cancel_and_an_order_never_both_win(provider):
    chosen = offer(KLING)[KLING]
    users = [make_user(PRICE) for _ in range(12)]
    photo = stored_photo().id
    placed = [make_job(each.id, "animate", data_id=photo, model_id=chosen) for each in users]

    def cancel(job):
        try:
            with transaction() as session:
                jobs.cancel(session, job.id)
        except ApiError as error:
            assert error.code == "job_not_cancellable"

    orders = [lambda: dispatch.order_due(Random(1))] * 3
    all_at_once(*orders, *(lambda job=job: cancel(job) for job in placed))
    for user, job in zip(users, placed, strict=True):
        cancelled = job_of(job.id).status == "failed"
        assert len(attempts_of(job.id)) == (job_of(job.id).status == "processing")
        assert balance(user.id) == (PRICE if cancelled else 0)


def test_an_operator_s_fail_and_a_result_never_both_win(provider):
    chosen = offer(KLING)[KLING]
    users = [make_user(PRICE) for _ in range(8)]
    photo = stored_photo().id
    placed = [make_job(each.id, "animate", data_id=photo, model_id=chosen) for each in users]
    provider.created = lambda: Accepted(f"run-{provider.orders}")
    provider.polled = Succeeded(RemoteFile("there"), None)
    dispatch.order_due(Random(1))
    for _ in range(2):
        pass_time()
        advance()
    pass_time()
    due = claim()
    assert {each.state for each in due} == {"fetching"} and len(due) == len(placed)

    def fail(job):
        with suppress(ValueError), transaction() as session:
            jobs.fail(session, job.id, reason="Так получилось")

    def finish(attempt):
        with TemporaryDirectory() as folder:
            generation.advance(attempt, Step(Path(folder), Random(1)))

    all_at_once(
        *(lambda attempt=attempt: finish(attempt) for attempt in due),
        *(lambda job=job: fail(job) for job in placed),
    )
    for user, job in zip(users, placed, strict=True):
        ended = job_of(job.id)
        (attempt,) = attempts_of(job.id)
        assert (ended.status, attempt.state) in {("done", "done"), ("failed", "canceled")} or (
            # cancelled only with the next step, which asks the provider what it has cost
            (ended.status, attempt.state) == ("failed", "cancelling")
        )
        assert attempt.charged == "yes"
        assert balance(user.id) == (0 if ended.status == "done" else PRICE)


def test_an_engine_that_reached_its_daily_limit_orders_again_after_midnight_utc(provider):
    with transaction() as session:
        engines.change(session, "replicate", daily_cost=Decimal("0.10"))
    _, job = ordered()
    dispatch.order_due(Random(1))
    with transaction() as session:
        closed_until = session.get_one(Engine, "replicate").open_until
    assert closed_until is not None
    assert closed_until.hour == closed_until.minute == 0
    assert timedelta(0) < closed_until - now() <= timedelta(days=1)
    with transaction() as session:  # the row alone, so that the breaker stays as it is
        session.get_one(Engine, "replicate").daily_cost = Decimal(1)
    before, after = closed_until - timedelta(seconds=1), closed_until + timedelta(seconds=1)
    assert dispatch.order_due(Random(1), clock=lambda: before) == 0
    assert dispatch.order_due(Random(1), clock=lambda: after) == 1
    assert len(attempts_of(job.id)) == 1


def in_state(state: str, provider: Provider, job_id) -> None:
    """Bring the only attempt at a job into this state."""
    provider.created = lambda: Ambiguous(DOWN) if state == "unknown" else Accepted("run-1")
    provider.polled = Succeeded(RemoteFile("there"), None) if state == "fetching" else Queued()
    dispatch.order_due(Random(1))
    steps = {"preparing": 0, "creating": 0, "unknown": 1, "running": 1, "fetching": 2}[state]
    for _ in range(steps):
        pass_time()
        advance()
    if state == "creating":  # its worker has died
        (attempt,) = claim("dead")
        with transaction() as session:
            assert attempts.send(session, attempt, photo="photo")
    assert [each.state for each in attempts_of(job_id)] == [state]


@pytest.mark.parametrize("state", ["preparing", "creating", "unknown", "running", "fetching"])
@pytest.mark.parametrize("then", ["it stops", "it succeeds all the same", "nobody knows it"])
def test_a_job_that_is_ended_in_any_state_costs_what_its_run_costs(provider, state, then):
    user, job = ordered()
    in_state(state, provider, job.id)
    with transaction() as session:
        jobs.fail(session, job.id, reason="Так получилось")
    assert balance(user.id) == PRICE
    known = state in ("running", "fetching")
    provider.found = Absent() if then == "nobody knows it" else Accepted("run-1")
    provider.polled = {
        "it stops": Canceled(Charged.NO),
        "it succeeds all the same": Succeeded(RemoteFile("there"), Money(Decimal("0.35"), "USD")),
        "nobody knows it": Gone(DOWN),
    }[then]
    sent = provider.orders
    for _ in range(8):
        pass_time()
        advance()
    (attempt,) = attempts_of(job.id)
    assert attempt.state == "canceled" and provider.orders == sent
    never_sent = state == "preparing" or (then == "nobody knows it" and not known)
    if never_sent:
        assert (attempt.charged, provider.cancelled) == ("no", [])
        return
    assert "run-1" in provider.cancelled
    unseen = "yes" if state == "fetching" else "maybe"
    charged = {"it stops": "no", "it succeeds all the same": "yes", "nobody knows it": unseen}
    assert attempt.charged == charged[then]
    assert (job_of(job.id).status, balance(user.id)) == ("failed", PRICE)
