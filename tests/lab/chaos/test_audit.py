"""The audit of `make chaos` finds each kind of loss: each is planted, then found.

Everything happens in one transaction that is rolled back; other tests' rows are not audited.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from db import connections
from db.models import Data, Event, IdempotencyKey, Job, Payment, PaymentEvent, User
from db.types import now
from lab.chaos import audit, system
from lab.chaos.audit import Check
from lab.chaos.books import Books, Intent, Person
from providers.storage.disk import DiskStorage
from services import data, events, jobs, ledger, payments, registration
from telemetry import logs

CONTENT = b"a photo"
RUB, TOKENS = Decimal(200), Decimal(20)


class Story:
    """One customer with correct books: a photo, a payment, a finished job."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session = session
        self.books = Books()
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        self.store = DiskStorage(folder / "files", base_url="")
        telegram_id = str(uuid4().int % 10**15)
        known = registration.register_or_log_in(session, telegram_id)
        self.user = session.get_one(User, known.id)
        self.books.people[str(self.user.id)] = Person(telegram_id)
        self.photo = self.stored(CONTENT)
        self.books.uploads[str(self.photo.id)] = hashlib.sha256(CONTENT).hexdigest()
        self.payment = self.promised()
        self.credit(self.payment)
        self.books.paid.add(str(self.payment.id))
        self.job = self.ordered()
        self.job.result_data_id = self.stored(b"a result").id
        self.job.output = [{"type": "image", "dataId": str(self.job.result_data_id)}]
        self.job.status = "done"
        self.job.tokens_reserved, self.job.tokens_consumed = Decimal(0), Decimal(5)
        self.job.finished_at = now()
        session.flush()
        self.tell_end()

    def tell_end(self) -> None:
        """Tell the bot that the job is done."""
        events.tell(self.session, self.user.id, events.job_done(self.job, []))

    def stored(self, content: bytes) -> Data:
        """A confirmed file, with its bytes in the folder."""
        row = data.reserve(self.session, "image", content_type="image/jpeg", now=now())
        self.store.put(row.storage_key, io.BytesIO(content), content_type="image/jpeg")
        size = len(content)
        data.confirm(self.session, row.id, content_type="image/jpeg", size_bytes=size, now=now())
        return self.session.get_one(Data, row.id)

    def promised(self) -> Payment:
        """A payment with a page that the customer was given."""
        opened = payments.open(
            self.session, self.user.id, amount_rub=RUB, provider="stripe", plan=None, now=now()
        )
        payment = self.session.get_one(Payment, opened.id)
        payment.reference = f"cs_{payment.id}"
        intent = Intent(str(self.user.id), "stripe", TOKENS, payment.reference)
        self.books.intents[str(payment.id)] = intent
        return payment

    def credit(self, payment: Payment) -> None:
        """Credit the tokens of a payment."""
        payment.status, payment.paid_at = "succeeded", now()
        self.session.flush()
        ledger.post(self.session, self.user.id, TOKENS, type="purchase", payment_id=payment.id)

    def ordered(self) -> Job:
        """An acknowledged job, paid from the balance."""
        picture = {"type": "image", "dataId": str(self.photo.id)}
        job = jobs.create(self.session, self.user.id, service_type="restore", input=[picture])
        self.books.jobs[str(job.id)] = str(self.user.id)
        return self.session.get_one(Job, job.id)

    def lost(self, rule: str) -> str:
        """The losses of a rule, as one text."""
        self.session.flush()
        self.session.expire_all()
        found = list(self.checks())
        [check] = [check for check in found if check.rule == rule]
        return "\n".join(check.losses)

    def checks(self) -> Iterable[Check]:
        yield from audit.rows(self.session, self.books)
        yield from audit.files(self.session, self.folder / "files", self.books)
        yield audit.leftovers(self.session, self.folder / "files", self.work)


@pytest.fixture
def story(database: str, tmp_path: Path) -> Iterator[Story]:
    with Session(connections.engine()) as session:
        yield Story(session, tmp_path)
        session.rollback()


def test_a_customer_whose_books_are_right_has_lost_nothing(story: Story) -> None:
    mine = {*story.books.people, *story.books.jobs, *story.books.intents, *story.books.uploads}
    losses = [
        loss
        for check in story.checks()
        if check.rule != "the ledger check is clean"  # this story has no gateway_payment
        for loss in check.losses
    ]
    assert [loss for loss in losses if any(each in loss for each in mine)] == []
    assert [loss for loss in losses if str(story.folder) in loss] == []


def test_a_user_who_is_gone_is_found(story: Story) -> None:
    story.books.people[nobody := str(uuid4())] = Person("1")
    assert nobody in story.lost("an acknowledged user is the one of that telegramId")


def test_a_payment_that_was_acknowledged_but_not_credited_is_found(story: Story) -> None:
    payment = story.promised()
    story.books.paid.add(str(payment.id))
    assert str(payment.id) in story.lost("an acknowledged payment is credited once")


def test_a_payment_that_is_credited_with_another_amount_is_found(story: Story) -> None:
    intent = Intent(str(story.user.id), "stripe", TOKENS * 2, "")
    story.books.intents[str(story.payment.id)] = intent
    assert str(story.payment.id) in story.lost("an acknowledged payment is credited once")


def test_tokens_that_nobody_paid_for_are_found(story: Story) -> None:
    story.books.paid.clear()
    assert str(story.payment.id) in story.lost("what nobody paid is not credited")


def test_a_payment_page_of_another_payment_is_found(story: Story) -> None:
    story.payment.reference = "cs_of_another"
    rule = "an acknowledged payment page is that of its payment"
    assert str(story.payment.id) in story.lost(rule)


def test_an_acknowledged_job_that_is_in_no_row_is_found(story: Story) -> None:
    story.books.jobs[nowhere := str(uuid4())] = str(story.user.id)
    assert nowhere in story.lost("an acknowledged job is in a final or live state")


def test_a_job_that_nobody_ordered_is_found(story: Story) -> None:
    story.books.jobs.clear()
    assert str(story.job.id) in story.lost("there is no job that nobody ordered")


def test_a_cancelled_job_that_was_done_all_the_same_is_found(story: Story) -> None:
    story.books.cancelled.add(str(story.job.id))
    assert str(story.job.id) in story.lost("an acknowledged cancel stays one")


@pytest.mark.parametrize("status", ["queued", "processing"])
def test_a_job_that_is_stuck_is_found(story: Story, status: str) -> None:
    job = story.ordered()
    job.status = status
    if status == "processing":
        job.worker, job.lease_until = "a dead worker", now() - timedelta(minutes=1)
    assert str(job.id) in story.lost("no job is stuck in the queue or with a lease")


def test_a_lease_that_outlived_its_job_is_found(story: Story) -> None:
    story.job.worker = "a dead worker"
    assert str(story.job.id) in story.lost("no job is stuck in the queue or with a lease")


def test_a_done_job_whose_result_is_gone_is_found(story: Story) -> None:
    story.session.get(Data, story.job.result_data_id).status = "deleted"
    assert str(story.job.id) in story.lost("a done job has its result")


def test_an_end_that_the_bot_was_told_twice_or_never_is_found(story: Story) -> None:
    rule = "the end of every order is told once"
    story.tell_end()
    assert str(story.job.id) in story.lost(rule)
    story.session.execute(delete(Event))
    assert str(story.job.id) in story.lost(rule)


def test_an_end_of_a_job_that_is_nowhere_is_found(story: Story) -> None:
    news = events.job_done(story.job, [])
    news.body["job"]["id"] = nowhere = str(uuid4())
    events.tell(story.session, story.user.id, news)
    assert nowhere in story.lost("the end of every order is told once")


def test_two_answers_to_one_key_are_found(story: Story) -> None:
    story.books.answers["order-1"] = {"one job", "another job"}
    assert "order-1" in story.lost("one key, one answer")


def test_a_key_that_was_never_answered_is_found(story: Story) -> None:
    story.session.add(IdempotencyKey(operation="jobsCreate", key="order-2", fingerprint="x"))
    assert "order-2" in story.lost("one key, one answer")


def test_an_event_that_could_not_be_applied_is_found(story: Story) -> None:
    event = PaymentEvent(provider="stripe", event_key="evt_1", kind="paid", notice={})
    event.state, event.reason = "parked", "unknown reference"
    story.session.add(event)
    assert "unknown reference" in story.lost("no event of a provider waits for an operator")


def test_books_that_do_not_add_up_are_found(story: Story) -> None:
    story.session.execute(
        update(Payment)
        .where(Payment.id == story.promised().id)
        .values(status="succeeded", paid_at=now())
    )
    assert "one purchase" in story.lost("the ledger check is clean")


def test_a_file_that_no_row_stands_for_is_found(story: Story) -> None:
    story.store.put("image/orphan", io.BytesIO(b"x"), content_type="image/jpeg")
    orphan = hashlib.sha256(b"image/orphan").hexdigest()
    assert orphan in story.lost("every file belongs to a row")
    assert orphan in story.lost("a day later what was cut off has been swept")


def test_the_file_of_a_row_that_was_deleted_is_found(story: Story) -> None:
    story.photo.status, story.photo.deleted_at = "deleted", now()
    name = hashlib.sha256(story.photo.storage_key.encode()).hexdigest()
    assert name in story.lost("every file belongs to a row")


def test_a_row_without_its_file_is_found(story: Story) -> None:
    story.store.delete(story.photo.storage_key)
    assert str(story.photo.id) in story.lost("every confirmed row has its file")
    assert str(story.photo.id) in story.lost("an acknowledged upload has its bytes")


def test_a_file_that_was_cut_off_is_found(story: Story) -> None:
    story.store.put(story.photo.storage_key, io.BytesIO(CONTENT[:3]), content_type="image/jpeg")
    assert str(story.photo.id) in story.lost("every confirmed row has its file")


def test_a_file_with_the_bytes_of_another_is_found(story: Story) -> None:
    other = CONTENT[::-1]
    story.store.put(story.photo.storage_key, io.BytesIO(other), content_type="image/jpeg")
    assert str(story.photo.id) in story.lost("an acknowledged upload has its bytes")


def test_what_no_sweep_removed_is_found(story: Story) -> None:
    (story.folder / "files/incoming/half").write_bytes(b"x")
    (story.work / "livephoto-job-1").mkdir()
    row = data.reserve(story.session, "image", content_type="image/jpeg", now=now())
    said = story.lost("a day later what was cut off has been swept")
    assert "incoming/half" in said and "livephoto-job-1" in said and str(row.id) in said


WARNED = '{"level":"WARNING","logger":"handlers.problems","message":"service_unav'
BUG = '{"level":"ERROR","logger":"handlers.problems","message":"unhandled","exc_info":"Traceback'
KILLED = '{"level":"ERROR","logger":"gunicorn.error","message":"Worker was sent SIGKILL!"}'
ALARM = '{"level":"ERROR","logger":"providers.http","message":"provider call","status":401}'


@pytest.mark.parametrize("line", [f'{BUG}\\n"}}', f"{WARNED}{BUG}", "Traceback (most recent"])
def test_a_bug_that_was_logged_is_found_even_in_a_line_that_was_cut_off(line: str) -> None:
    assert len(system.bugs_in(f'{WARNED}"}}\n{line}\n')) == 1


def test_lines_begin_as_they_are_written_by_the_server() -> None:
    line = logs.Formatter().format(logging.makeLogRecord({"name": "jobs", "levelname": "ERROR"}))
    assert system.bugs_in(f"{line}\n") == [line] and line.startswith(
        '{"level":"ERROR","logger":"jobs"'
    )


@pytest.mark.parametrize("line", [WARNED, KILLED, ALARM, f"{WARNED}{WARNED}", "FATAL:  gone", ""])
def test_injected_faults_are_no_bugs(line: str) -> None:
    assert system.bugs_in(f"{line}\n") == []
