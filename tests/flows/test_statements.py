"""What an operation costs the database, in round trips.

Counted by PostgreSQL's own log, as drivers and pools send more than the code shows: BEGIN and
COMMIT, savepoints, settings. The numbers are exact so that a change for the worse is seen.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

import settings
from db import notifications, transaction
from db.connections import engine
from db.types import now
from handlers import (
    data,
    jobs,
    lotteries,
    referrals,
    reviews,
    tariffs,
    transactions,
    users,
)
from providers import registry
from providers.payments import Notice, Outcome
from services import payments
from spec.functions import FilePart
from tests.factories import make_image, make_job, make_user
from tests.job_steps import claim_job, finish_job
from tests.live import order
from workflows import payment_events

pytestmark = pytest.mark.own_session  # whose log it turns on

TEXT = {"type": "text", "fileName": "a.txt", "contentType": "text/plain"}
ALL = 200  # rows of a list


@dataclass
class World:
    """A customer with a finished, a queued and a waiting order, and files in every state."""

    telegram_id: str
    ref_code: str
    user: str
    poor: str
    photo: str
    queued: str
    cancelled: str
    uploaded: str
    key: str
    payment: UUID
    event: str


@pytest.fixture
def world(database: str) -> World:
    user, poor, photo = make_user(100), make_user(), make_image()
    finish_job(claim_job(make_job(user.id, data_id=photo.id).id))
    queued, cancelled = (str(make_job(user.id, data_id=photo.id).id) for _ in range(2))
    jobs.jobs_cancel(cancelled)
    payment, event_id = pending(user.id), uuid4().hex
    report(pending(user.id), event_id)
    form: Any = data.data_get_presign(TEXT, None)[0]
    registry.storage().put(form["fields"]["key"], io.BytesIO(b"Hi"), content_type="text/plain")
    wish, key = order(user.id, photo.id), uuid4().hex
    jobs.jobs_create(wish, key)
    return World(
        user.telegram_id,
        user.ref_code,
        str(user.id),
        str(poor.id),
        str(photo.id),
        queued,
        cancelled,
        form["dataId"],
        key,
        payment,
        event_id,
    )


def pending(user_id: UUID) -> UUID:
    """A payment that Stripe has made a page for."""
    with transaction() as session:
        payment = payments.open(
            session,
            user_id,
            amount_rub=Decimal(200),
            provider="stripe",
            plan=None,
            now=now(),
        )
        return payments.attach(
            session,
            payment.id,
            reference=f"cs_{payment.id}",
            url="https://pay.example/1",
            asked_minor=20000,
            asked_currency="RUB",
            expires_at=None,
        ).id


def report(payment_id: UUID, event_id: str) -> None:
    """A signed event of Stripe: this payment has been paid."""
    payment_events.apply(
        Notice(
            provider="stripe",
            event_id=event_id,
            kind="checkout.session.completed",
            outcome=Outcome.SUCCEEDED,
            reference=f"cs_{payment_id}",
            charge_reference=f"pi_{payment_id}",
            payment_id=payment_id,
            amount_minor=20000,
            currency="RUB",
        )
    )


@pytest.fixture
def heard(world: World) -> Iterator[Callable[[Callable[[], Any]], list[str]]]:
    """The statements that PostgreSQL receives during a call, each in a message of its own; not the
    notifications to workers, which are bundled and come later.
    """
    log = settings.load().state_dir / "postgres" / "server.log"

    def tell(connection: Any, _: Any) -> None:
        connection.autocommit = True
        connection.cursor().execute("SET log_statement TO 'all'")
        connection.autocommit = False

    def listen(call: Callable[[], Any]) -> list[str]:
        end = log.stat().st_size
        call()
        with log.open() as file:
            file.seek(end)
            messages = re.findall(r"LOG:  statement: (.*(?:\n\t.*)*)", file.read())
        return [each for each in messages if each != notifications.NOTIFY]

    engine().dispose()
    event.listen(engine(), "connect", tell)
    try:
        users.users_get_by_id(world.user)  # connects
        yield listen
    finally:
        event.remove(engine(), "connect", tell)
        engine().dispose()


def text_file() -> FilePart:
    return FilePart("file", "a.txt", "text/plain", io.BytesIO(b"Hi"), 2)


READS: dict[str, tuple[int, Callable[[World], Any]]] = {
    "usersGetById": (1, lambda w: users.users_get_by_id(w.user)),
    "usersRegisterOrLogin, known": (
        1,
        lambda w: users.users_register_or_login({"telegramId": w.telegram_id}, None),
    ),
    "usersGetBalance": (1, lambda w: users.users_get_balance(w.user)),
    "jobsGet": (2, lambda w: jobs.jobs_get(w.queued, 0)),
    "jobsList": (1, lambda w: jobs.jobs_list(w.user, ALL, None)),
    "transactionsList": (1, lambda w: transactions.transactions_list(w.user, ALL, None)),
    "tariffsList": (1, lambda w: tariffs.tariffs_list(ALL, None)),
    "referralsGetLink": (1, lambda w: referrals.referrals_get_link(w.user)),
    "referralsHistory, of nobody yet": (
        2,
        lambda w: referrals.referrals_history(w.user, ALL, None),
    ),
    "referralsStats": (3, lambda w: referrals.referrals_stats(w.user)),
    "lotteriesHistory": (2, lambda w: lotteries.lotteries_history(ALL, None)),
    "dataConfirmUpload again": (1, lambda w: data.data_confirm_upload(w.photo)),
}
# BEGIN and COMMIT included.
WRITES: dict[str, tuple[int, Callable[[World], Any]]] = {
    "usersRegisterOrLogin, new name": (
        5,
        lambda w: users.users_register_or_login(
            {"telegramId": w.telegram_id, "username": uuid4().hex}, None
        ),
    ),
    "usersRegisterOrLogin, first visit": (
        6,
        lambda w: users.users_register_or_login({"telegramId": uuid4().hex}, None),
    ),
    "usersRegisterOrLogin, first visit by invitation": (
        9,
        lambda w: users.users_register_or_login(
            {"telegramId": uuid4().hex, "refCode": w.ref_code}, None
        ),
    ),
    "usersUpdateConsent": (3, lambda w: users.users_update_consent(w.user, {"consentPd": True})),
    "dataGetPresign": (3, lambda w: data.data_get_presign(TEXT, None)),
    "dataConfirmUpload": (4, lambda w: data.data_confirm_upload(w.uploaded)),
    "dataUploadMultipart": (6, lambda w: data.data_upload_multipart({"type": "text"}, text_file())),
    "jobsCreate, paid": (5, lambda w: jobs.jobs_create(order(w.user, w.photo), None)),
    "jobsCreate, paid, with a key": (
        9,
        lambda w: jobs.jobs_create(order(w.user, w.photo), uuid4().hex),
    ),
    "jobsCreate, replayed": (4, lambda w: jobs.jobs_create(order(w.user, w.photo), w.key)),
    "jobsCreate, waiting": (4, lambda w: jobs.jobs_create(order(w.poor, w.photo), None)),
    "jobsCancel": (9, lambda w: jobs.jobs_cancel(w.queued)),
    "jobsCancel again": (5, lambda w: jobs.jobs_cancel(w.cancelled)),
    "reviewsCheck, nothing found": (5, lambda w: reviews.reviews_check({"userId": w.user})),
    "webhookPayments, paid": (9, lambda w: report(w.payment, uuid4().hex)),
    "webhookPayments, repeated": (4, lambda w: report(w.payment, w.event)),
    "webhookPayments, of nobody's payment": (6, lambda w: report(uuid4(), uuid4().hex)),
}


@pytest.mark.parametrize("operation", READS)
def test_a_read_is_not_wrapped_in_a_transaction(
    world: World, heard: Callable[[Callable[[], Any]], list[str]], operation: str
) -> None:
    expected, call = READS[operation]
    assert [_word(each) for each in heard(lambda: call(world))] == ["SELECT"] * expected


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_costs_what_it_did(
    world: World, heard: Callable[[Callable[[], Any]], list[str]], operation: str
) -> None:
    expected, call = WRITES[operation]
    messages = heard(lambda: call(world))
    assert len(messages) == expected, messages
    words = [_word(each) for each in messages]
    assert words.count("BEGIN") == words.count("COMMIT")


def _word(statement: str) -> str:
    return statement.split(maxsplit=1)[0].upper()
