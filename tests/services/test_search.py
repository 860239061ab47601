"""What an operator types is found by its shape; what it finds is few."""

from __future__ import annotations

from uuid import uuid4

import pytest

from db import reading, transaction
from db.models import Event, PaymentEvent, Transaction
from services import search, users
from telemetry import logs
from tests.factories import make_image, make_job, make_user
from tests.payment_events import buyer_with_payment


def found(typed: str) -> list[tuple[str, object]]:
    with reading() as reader:
        return [(hit.kind, hit.id) for hit in search.find(reader, typed)]


def test_digits_are_the_number_of_an_order_and_a_telegram_id():
    user = make_user(10)
    job = make_job(user.id)
    namesake = make_user(telegram_id=str(job.number))
    assert found(f" {user.telegram_id} ") == [("user", user.id)]
    assert found(str(job.number)) == [("job", job.id), ("user", namesake.id)]


def test_an_id_is_of_whatever_has_it():
    user_id, payment = buyer_with_payment("stripe")
    with transaction() as session:
        event_id = uuid4()
        session.add(
            PaymentEvent(
                id=event_id, provider="stripe", event_key="k", kind="x", state="ignored", notice={}
            )
        )
        session.flush()
        move = session.query(Transaction.id).where(Transaction.user_id == user_id).scalar()
        event = Event(type="job.done", body={}, state="kept")
        session.add(event)
    job = make_job(user_id)
    for kind, row_id in (
        ("user", user_id),
        ("job", job.id),
        ("payment", payment.id),
        ("transaction", move),
        ("data", make_image().id),
        ("payment_event", event_id),
        ("event", event.id),
    ):
        assert found(str(row_id)) == [(kind, row_id)]
    assert found(str(uuid4())) == []


def test_a_username_is_found_by_its_beginning_in_any_case_the_exact_one_first():
    long, exact = make_user(username="Anna_Sergeevna"), make_user(username="anna_s")
    make_user(username="annaXs")  # _ is no wildcard
    assert found("@ANNA_S") == [("user", exact.id), ("user", long.id)]
    assert found("anna_se") == [("user", long.id)]


@pytest.mark.parametrize("provider", ["stripe", "telegram"])
def test_a_payment_is_found_by_what_its_provider_calls_it(provider):
    _, payment = buyer_with_payment(provider)
    assert ("payment", payment.id) in found(payment.reference)


def test_a_request_id_leads_to_what_the_request_made():
    user = make_user()
    with logs.about("4f2c.complaint"):
        job = make_job(user.id)
        _, payment = buyer_with_payment("stripe")
    assert found("req:4f2c.complaint") == [("job", job.id), ("payment", payment.id)]
    assert found("req:other") == found("req:") == found("req:%") == []


@pytest.mark.parametrize("typed", ["", " ", "two words", "x" * 400, "9" * 30, "a\x00b", "%", "@"])
def test_what_is_no_name_of_anything_finds_nothing(typed):
    make_user(username="somebody")
    assert found(typed) == []


def test_a_hit_tells_whose_it_is():
    user = make_user(username="owner_of_it")
    job = make_job(user.id)
    with reading() as reader:
        (hit,) = search.find(reader, str(job.id))
        assert (hit.name, hit.user_id) == (str(job.number), user.id)
        (person,) = search.find(reader, str(user.id))
        assert person.name == users.get(reader, user.id).username
