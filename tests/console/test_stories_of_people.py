"""What operators do for a person who complains, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import pytest
from playwright.sync_api import expect

from db import reading, transaction
from db.rows import JobRow, PaymentRow, UserRow
from db.types import now
from services import data, inbox, jobs, payments, people, queue, support
from tests.browser import CHROMIUM, MISSING
from tests.console.desk import Desk, furnished
from tests.console.tills import connected, paid
from tests.factories import balance, make_job, make_user
from tests.house.code import ROOT
from tests.job_steps import claim_job
from tests.payment_events import buyer_with_payment
from tests.settlements import notice, settle
from workflows import reconciler

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=MISSING)


class Customer(NamedTuple):
    """Somebody to whom all kinds of things happened."""

    user: UserRow
    payment: PaymentRow
    failed: JobRow[UUID]


@pytest.fixture(scope="module")
def customer(database: str) -> Iterator[Customer]:
    """A person with a payment at Stripe, orders, a friend, a request; and much of other people."""
    with connected() as sandbox:
        user, payment = paid(sandbox, username="anna_sergeevna_from_novosibirsk")
        reconciler.check(payment.id)
        make_user(ref_code=user.ref_code)
        restored(make_job(user.id).id)
        failed = make_job(user.id, "animate")
        with transaction() as session:
            jobs.fail(session, failed.id, reason="Лицо не найдено. Пришлите другое фото.")
            support.create(
                session, user.id, topic="refund", message="Не понравилось, верните", now=now()
            )
            people.ban(session, make_user(username="banned").id, reason="чужие карты", now=now())
        for number in range(60):
            make_job(make_user(number % 7).id)
        _, other = buyer_with_payment("telegram")
        settle(notice(other, "succeeded", amount_minor=1))
        with transaction() as session:
            payments.note_trouble(session, other.id, "telegram getMe: timed out")
        yield Customer(user, payment, failed)


@pytest.fixture(scope="module")
def desk(customer: Customer) -> Iterator[Desk]:
    """An admin."""
    with furnished() as opened_desk:
        opened_desk.serve_files(ROOT / "local/samples/portrait.jpg")
        yield opened_desk


def restored(job_id: UUID) -> None:
    """Make an order's result, a picture."""
    claim = claim_job(job_id)
    with transaction() as session:
        row = data.reserve(session, "image", content_type="image/jpeg", now=now())
        queue.finish(session, claim, row.id, size_bytes=1, meta={}, now=now())


def test_a_person_is_found_and_seen_whole(desk: Desk, customer: Customer) -> None:
    desk.open("/")
    desk.page.get_by_role("searchbox").fill("@anna")
    desk.page.get_by_role("button", name="Найти").click()
    desk.page.wait_for_url(f"**/people/{customer.user.id}")
    desk.look("person")
    desk.page.get_by_role("button", name="Показать фото").click()
    desk.says("нет или уже удалено")
    expect(desk.page.get_by_role("img", name="После", exact=False)).to_be_visible()
    desk.look("person-pictures")
    desk.page.get_by_role("searchbox").fill("nobody")
    desk.page.get_by_role("button", name="Найти").click()
    desk.says("Ничего не найдено")
    desk.look("search-nothing")
    desk.open("/people/")
    desk.look("people")
    desk.open("/people/?since=2020-01-01")  # axe-core leaves attributes that htmx carries over
    desk.page.get_by_label("Показать", exact=True).select_option("banned")
    desk.page.wait_for_url("**/people/?only=banned*")
    desk.says("@banned")
    assert desk.troubles() == []


def test_an_order_is_found_in_a_list_and_made_again(desk: Desk, customer: Customer) -> None:
    desk.open("/orders/")
    desk.look("orders")
    desk.page.get_by_role("link", name="Дальше").click()
    desk.says("← Назад")
    desk.open("/orders/?status=failed&error=operator")
    desk.page.get_by_role("link", name=f"№ {customer.failed.number}").click()
    desk.look("order")
    desk.send("Повторить", retry_reason="нашли ошибку у себя")
    desk.says("в очереди")
    desk.says("заказ: повторить")


def test_tokens_are_given_after_a_look_at_what_it_does(desk: Desk, customer: Customer) -> None:
    before = balance(customer.user.id)
    desk.open(f"/people/{customer.user.id}")
    desk.page.get_by_role("link", name="Начислить").click()
    desk.send("Что будет", tokens="7,5", reason="извинения")
    desk.says("Баланс сейчас")
    desk.look("grant")
    desk.page.get_by_role("button", name="Начислить").click()
    desk.says("Начислено: 7,5")
    assert float(balance(customer.user.id)) == float(before) + 7.5


def test_money_goes_back_once_and_takes_its_tokens(desk: Desk, customer: Customer) -> None:
    desk.open("/payments/")
    desk.look("payments")
    desk.open(f"/payments/{customer.payment.id}")
    desk.look("payment")
    desk.page.get_by_role("link", name="Вернуть деньги").click()
    desk.send("Что будет", rub="500", reason="не понравилось")
    desk.says("Вернуть можно не больше")
    desk.look("refund-refused")
    desk.send("Что будет", rub="50", reason="не понравилось")
    desk.says("Будет забрано 5 токенов")
    desk.look("refund")
    desk.page.get_by_role("button", name="Вернуть деньги").click()
    desk.says("возвращён частично")
    desk.says("Применено")
    with reading() as reader:
        assert payments.get(reader, customer.payment.id).refunded_rub == 50


def test_what_is_parked_is_read_and_put_aside(desk: Desk) -> None:
    desk.open("/payment-events/")
    desk.look("events")
    desk.page.get_by_role("link", name="payment.succeeded").click()
    desk.look("event")
    desk.send("Отложить", reason="деньги вернул банк")
    desk.says("Событие отложено")
    with reading() as reader:
        assert inbox.listed(reader, limit=9, state="parked").rows == []
