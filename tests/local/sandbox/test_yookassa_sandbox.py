"""The YooKassa sandbox is true to the wire: the official SDK cannot tell it from YooKassa."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from yookassa import Configuration, Payment, Refund
from yookassa.domain.exceptions import (
    BadRequestError,
    InternalServerError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from yookassa.domain.notification import WebhookNotification

from local.sandbox.yookassa import SECRET_KEY, SHOP_ID
from tests.payment_world import YOOKASSA_ORDER, Sandbox, Shop


@pytest.fixture(autouse=True)
def sdk(world: Sandbox) -> Iterator[None]:
    Configuration.configure(SHOP_ID, SECRET_KEY, api_url=world.yookassa)
    yield
    Configuration.account_id = Configuration.secret_key = None


def paid(world: Sandbox, **changes: Any) -> str:
    """Id of a payment of 199 rubles that has been paid."""
    identifier: str = Payment.create(YOOKASSA_ORDER | changes, uuid4()).id
    world.control("POST", f"/yookassa/payments/{identifier}/pay")
    return identifier


def test_a_payment_is_created_paid_and_read(world: Sandbox) -> None:
    made = Payment.create(YOOKASSA_ORDER, uuid4())
    assert (made.status, made.paid, made.test) == ("pending", False, True)
    assert made.amount.value == 199 and made.amount.currency == "RUB"
    assert made.confirmation.confirmation_url.endswith(f"/yookassa/pay/{made.id}")
    assert made.recipient.account_id == SHOP_ID
    assert len(made.id) == 36
    world.control("POST", f"/yookassa/payments/{made.id}/pay")
    found = Payment.find_one(made.id)
    assert (found.status, found.paid, found.refundable) == ("succeeded", True, True)
    assert found.captured_at is not None and found.payment_method.type == "bank_card"
    assert found.metadata["payment_id"] == "8f0c"


def test_two_stages_when_capture_is_left_out(world: Sandbox) -> None:
    order = {name: value for name, value in YOOKASSA_ORDER.items() if name != "capture"}
    held = Payment.create(order, uuid4()).id
    world.control("POST", f"/yookassa/payments/{held}/pay")
    assert Payment.find_one(held).status == "waiting_for_capture"
    assert Payment.capture(held, None, uuid4()).status == "succeeded"
    given_up = Payment.create(order, uuid4()).id
    world.control("POST", f"/yookassa/payments/{given_up}/pay")
    ended = Payment.cancel(given_up, uuid4())
    assert (ended.status, ended.cancellation_details.party) == ("canceled", "merchant")


def test_a_pending_payment_cannot_be_cancelled(world: Sandbox) -> None:
    made = Payment.create(YOOKASSA_ORDER, uuid4())
    with pytest.raises(BadRequestError):
        Payment.cancel(made.id, uuid4())


def test_refunds_add_up_and_stop_at_the_amount(world: Sandbox) -> None:
    payment_id = paid(world)
    part = {"payment_id": payment_id, "amount": {"value": "150.00", "currency": "RUB"}}
    first = Refund.create(part, uuid4())
    assert (first.status, first.payment_id) == ("succeeded", payment_id)
    assert Payment.find_one(payment_id).refunded_amount.value == 150
    with pytest.raises(BadRequestError) as refused:
        Refund.create(part, uuid4())
    assert refused.value.content["parameter"] == "amount.value"
    rest = part | {"amount": {"value": "49.00", "currency": "RUB"}}
    assert Refund.find_one(Refund.create(rest, uuid4()).id).amount.value == 49
    whole = Payment.find_one(payment_id)
    assert (whole.refunded_amount.value, whole.refundable) == (199, False)
    assert len(Refund.list({"payment_id": payment_id}).items) == 2


def test_all_that_was_paid_since_a_moment_is_listed_newest_first_in_pages(world: Sandbox) -> None:
    paid(world)
    world.control("POST", "/clock", advance_seconds=60)
    made = [paid(world) for _ in range(3)]
    Payment.create(YOOKASSA_ORDER, uuid4())  # nobody has paid it
    since = Payment.find_one(made[0]).created_at
    wanted = {"created_at.gte": since, "status": "succeeded", "limit": 2}
    page = Payment.list(wanted)
    rest = Payment.list(wanted | {"cursor": page.next_cursor})
    assert [each.id for each in [*page.items, *rest.items]] == made[::-1]
    assert rest.next_cursor is None and page.items[0].metadata["payment_id"] == "8f0c"
    part = {"payment_id": made[0], "amount": {"value": "1.00", "currency": "RUB"}}
    refund = Refund.create(part, uuid4())
    assert [each.id for each in Refund.list(wanted).items] == [refund.id]


def test_a_refund_can_wait_and_then_be_cancelled(world: Sandbox) -> None:
    payment_id = paid(world)
    world.control("PUT", "/yookassa/refunds", wait=True)
    body = {"payment_id": payment_id, "amount": {"value": "10.00", "currency": "RUB"}}
    waiting = Refund.create(body, uuid4())
    assert waiting.status == "pending"
    world.control("POST", f"/yookassa/refunds/{waiting.id}/cancel")
    assert Refund.find_one(waiting.id).cancellation_details.reason == "insufficient_funds"
    assert Payment.find_one(payment_id).refunded_amount.value == 0


@pytest.mark.parametrize(
    ("value", "currency"),
    [("199", "RUB"), ("199.0", "RUB"), ("1.999", "RUB"), ("0.00", "RUB"), ("5.00", "USD")],
)
def test_amounts_have_two_decimals_and_rubles(world: Sandbox, value: str, currency: str) -> None:
    order = YOOKASSA_ORDER | {"amount": {"value": value, "currency": currency}}
    answer = create(world, order)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"descripton": "typing error"},
        {"description": "x" * 129},
        {"metadata": {"k" * 33: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"confirmation": {"type": "redirect"}},
        {"amount": {"value": 199, "currency": "RUB"}},
        {"amount": None},
        {"capture": "yes"},
        {"receipt": {"customer": {}, "items": []}},
    ],
)
def test_a_malformed_order_is_refused_with_its_field(
    world: Sandbox, changes: dict[str, Any]
) -> None:
    answer = create(world, YOOKASSA_ORDER | changes)
    assert answer.status_code == 400
    assert answer.json()["parameter"].partition(".")[0] in changes


def test_a_receipt_must_cost_what_is_paid(world: Sandbox) -> None:
    def receipt(price: str) -> dict[str, Any]:
        amount = {"value": price, "currency": "RUB"}
        item = {"description": "Токены", "quantity": "2.00", "amount": amount, "vat_code": 1}
        return {"customer": {"email": "a@example.org"}, "items": [item]}

    assert create(world, YOOKASSA_ORDER | {"receipt": receipt("99.50")}).status_code == 200
    assert create(world, YOOKASSA_ORDER | {"receipt": receipt("99.00")}).status_code == 400


def test_wrong_keys_are_401_and_strangers_are_404(world: Sandbox) -> None:
    with pytest.raises(NotFoundError):
        Payment.find_one("30c1a5f2-000f-5000-8000-1b7c5d9e2a44")
    Configuration.configure(SHOP_ID, "test_other", api_url=world.yookassa)
    with pytest.raises(UnauthorizedError):
        Payment.find_one("30c1a5f2-000f-5000-8000-1b7c5d9e2a44")
    assert requests.get(f"{world.yookassa}/payments/x", timeout=60).status_code == 401


def test_a_key_gives_its_first_answer_for_a_day(world: Sandbox) -> None:
    first = Payment.create(YOOKASSA_ORDER, "key-1")
    assert Payment.create(YOOKASSA_ORDER, "key-1").id == first.id
    with pytest.raises(BadRequestError) as refused:
        Payment.create(YOOKASSA_ORDER | {"description": "other"}, "key-1")
    assert refused.value.content["description"] == "Idempotence key duplicated"
    world.control("POST", "/clock", advance_seconds=24 * 3600 + 1)
    assert Payment.create(YOOKASSA_ORDER, "key-1").id != first.id


@pytest.mark.parametrize("key", [None, "", "x" * 65, "ключ", "a b"])
def test_a_key_is_required_and_short(world: Sandbox, key: str | None) -> None:
    headers = {} if key is None else {"Idempotence-Key": key.encode()}
    answer = requests.post(
        f"{world.yookassa}/payments",
        json=YOOKASSA_ORDER,
        auth=(SHOP_ID, SECRET_KEY),
        headers=headers,
        timeout=5,
    )
    assert (answer.status_code, answer.json()["parameter"]) == (400, "Idempotence-Key")


def test_a_refused_request_does_not_use_its_key_up(world: Sandbox) -> None:
    assert create(world, YOOKASSA_ORDER | {"amount": None}, key="again").status_code == 400
    assert create(world, YOOKASSA_ORDER, key="again").status_code == 200


def test_unpaid_payments_expire_in_an_hour(world: Sandbox) -> None:
    made = Payment.create(YOOKASSA_ORDER, uuid4())
    world.control("POST", "/clock", advance_seconds=3600)
    ended = Payment.find_one(made.id)
    assert (ended.status, ended.cancellation_details.reason) == (
        "canceled",
        "expired_on_confirmation",
    )


def test_notifications_are_those_the_sdk_reads(world: Sandbox, shop: Shop) -> None:
    world.control("PUT", "/yookassa/webhook", url=shop.url)
    payment_id = paid(world)
    declined = Payment.create(YOOKASSA_ORDER, uuid4()).id
    world.control("POST", f"/yookassa/payments/{declined}/decline", reason="insufficient_funds")
    refund = {"payment_id": payment_id, "amount": {"value": "50.00", "currency": "RUB"}}
    refund_id = Refund.create(refund, uuid4()).id
    notifications = [WebhookNotification(json.loads(posted.raw)) for posted in shop.wait_for(3)]
    assert {(each.event, each.object.id) for each in notifications} == {
        ("payment.succeeded", payment_id),
        ("payment.canceled", declined),
        ("refund.succeeded", refund_id),
    }


def test_pages_are_listed_newest_first(world: Sandbox) -> None:
    made = [Payment.create(YOOKASSA_ORDER, uuid4()).id for _ in range(3)]
    page = Payment.list({"limit": 2})
    assert [each.id for each in page.items] == made[:0:-1]
    rest = Payment.list({"limit": 2, "cursor": page.next_cursor})
    assert [each.id for each in rest.items] == made[:1]


def test_scripted_statuses_are_those_the_sdk_knows(world: Sandbox) -> None:
    world.inject_fault("yookassa", "status", status=429, retry_after=1.8)
    with pytest.raises(TooManyRequestsError) as busy:
        Payment.create(YOOKASSA_ORDER, uuid4())
    assert busy.value.content["retry_after"] == 1800
    world.inject_fault("yookassa", "status", status=500, after=True)
    with pytest.raises(InternalServerError):
        Payment.create(YOOKASSA_ORDER, "lost")
    assert len(Payment.list({}).items) == 1  # the second one was created all the same
    assert Payment.create(YOOKASSA_ORDER, "lost").id == Payment.list({}).items[0].id
    world.inject_fault("yookassa", "status", status=202, retry_after=0.1)
    assert create(world, YOOKASSA_ORDER).json()["type"] == "processing"


def test_a_person_pays_on_the_page(world: Sandbox) -> None:
    made = Payment.create(YOOKASSA_ORDER, uuid4())
    url = made.confirmation.confirmation_url
    page = requests.get(url, timeout=60).text
    assert "Пополнение" in page and "199\u00a0₽" in page and "Оплатить" in page
    after = requests.post(url, data={"do": "pay"}, timeout=60).text
    assert "Оплачено" in after and not re.search("<form", after)
    assert Payment.find_one(made.id).status == "succeeded"
    other = Payment.create(YOOKASSA_ORDER, uuid4())
    requests.post(other.confirmation.confirmation_url, data={"do": "decline"}, timeout=60)
    assert Payment.find_one(other.id).cancellation_details.reason == "general_decline"


def create(world: Sandbox, order: dict[str, Any], key: str | None = None) -> requests.Response:
    """A create call past the SDK, which would refuse some orders itself."""
    return requests.post(
        f"{world.yookassa}/payments",
        json=order,
        auth=(SHOP_ID, SECRET_KEY),
        headers={"Idempotence-Key": key or str(uuid4())},
        timeout=5,
    )
